#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_image_archive
short_description: Save an image to a file, or load it from there
description:
  - Carries images over a change that hides them from the daemon, such as C(userns-remap), so that nothing needs a pull.
  - The names and identifiers of an image stay the same.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 2.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes
options:
  image:
    description: Name or identifier of the image.
    type: str
    required: true
  directory:
    description: Where the files of images are.
    type: path
    default: /var/lib/bulkhead/images
  state:
    description:
      - V(saved) writes the file of the image, anew if there is one.
      - V(loaded) loads it into the daemon and removes the file. Without a file nothing is done.
    type: str
    choices: [saved, loaded]
    required: true
  timeout:
    description: How many seconds the daemon may be silent meanwhile.
    type: int
    default: 600
seealso:
  - module: bulkhead.workspace.docker_userns_info
"""

EXAMPLES = r"""
- name: Save an image before it is hidden
  bulkhead.workspace.docker_image_archive:
    image: debian:13
    state: saved

- name: Load it again
  bulkhead.workspace.docker_image_archive:
    image: debian:13
    state: loaded
"""

RETURN = r"""
bytes:
  description: Size of the file.
  returned: when there is one
  type: int
  sample: 124000000
"""

import os
from collections.abc import Iterator
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.carry import file_of
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import (
    Engine,
    NoAnswerError,
    quoted,
)

_CHUNK = 1024 * 1024


def save(engine: Engine, image: str, file: Path, timeout: int) -> int:
    """Write the file in one step: one that is there is whole."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    try:
        with part.open("wb") as stream:
            for piece in engine.download(f"/images/get?names={quoted(image)}", timeout=timeout):
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return file.stat().st_size


def load(engine: Engine, image: str, file: Path, timeout: int) -> None:
    """Load the file, make sure that the image is there, and only then remove the file."""
    said = engine.post("/images/load?quiet=1", stream=_pieces(file), timeout=timeout)
    try:
        engine.get(f"/images/{quoted(image)}/json")
    except NoAnswerError as absence:
        raise NoAnswerError(f"{absence}; docker said {said.decode(errors='replace').strip()}") from absence
    file.unlink()


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            yield piece


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "directory": {"type": "path", "default": "/var/lib/bulkhead/images"},
            "state": {"type": "str", "choices": ["saved", "loaded"], "required": True},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    image, timeout = module.params["image"], module.params["timeout"]
    file = file_of(module.params["directory"], image)
    saving = module.params["state"] == "saved"
    if not saving and not file.exists():
        module.exit_json(changed=False)
    if module.check_mode:
        module.exit_json(changed=True)
    engine = Engine()
    try:
        if saving:
            size = save(engine, image, file, timeout)
        else:
            size = file.stat().st_size
            load(engine, image, file, timeout)
    except (NoAnswerError, OSError) as error:
        act = "save" if saving else "load"
        module.fail_json(msg=f"cannot {act} the image {image}: {error}; look at journalctl -u docker and at {file}")
    module.exit_json(changed=True, bytes=size, diff={"before": "", "after": f"{image}: {size} bytes {file}\n"})


if __name__ == "__main__":
    main()
