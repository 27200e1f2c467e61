#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: directory_files
short_description: Keep the files of a directory exactly as given
description:
  - Makes a directory hold the given text files and no others, in one call. A program of many small files is installed
    this way in a single exchange with the host, where a loop of copies takes several for each file.
  - Only files directly in the directory count. Of its subdirectories, C(__pycache__) is removed when a file changes;
    others are left alone.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 1.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes
options:
  path:
    description: The directory. It is made if it is missing, its parents too, owned by root with mode 0755.
    type: path
    required: true
  files:
    description: Names of the files, without directories, and their content.
    type: dict
    required: true
seealso:
  - module: ansible.builtin.copy
"""

EXAMPLES = r"""
- name: Install a program
  bulkhead.workspace.directory_files:
    path: /usr/local/lib/example
    files:
      __main__.py: "print('hello')\n"
"""

RETURN = r"""
existed:
  description: Whether the directory was there before.
  returned: success
  type: bool
  sample: true
changed_files:
  description: Names of the files that were written, in order.
  returned: success
  type: list
  elements: str
  sample: [__main__.py]
removed_files:
  description: Names of the files that were removed, in order.
  returned: success
  type: list
  elements: str
  sample: [old.py]
"""

import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._files import settle, write


def wrong_names(files: dict[str, str]) -> list[str]:
    """Names that would leave the directory."""
    return sorted(name for name in files if name in ("", ".", "..") or "/" in name or "\0" in name)


def read(directory: Path) -> dict[str, str]:
    """The files that are there, by name. What is not text counts as different from any text."""
    if not directory.is_dir():
        return {}
    return {
        file.name: file.read_bytes().decode(errors="replace")
        for file in directory.iterdir()
        if file.is_file() and not file.is_symlink()
    }


def main() -> None:
    """Compare, write what differs, remove what is too much."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "files": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    directory, files = Path(module.params["path"]), module.params["files"]
    refused = wrong_names(files)
    if refused:
        module.fail_json(
            msg=f"cannot fill {directory}: {refused} are not names of files; give names without directories"
        )
    if directory.exists() and not directory.is_dir():
        module.fail_json(msg=f"cannot fill {directory}: it is not a directory; remove it, or choose another path")

    there = read(directory)
    changed = sorted(name for name in files if there.get(name) != files[name])
    removed = sorted(set(there) - set(files))
    made = not directory.exists()
    if not module.check_mode:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name in changed:
            write(module, directory / name, files[name].encode())
        for name in removed:
            (directory / name).unlink()
        if changed or removed:
            shutil.rmtree(directory / "__pycache__", ignore_errors=True)
    settled = [settle(module, directory / name, "0644") for name in files if (directory / name).exists()]
    if directory.exists():
        settled.append(settle(module, directory, "0755"))
    module.exit_json(
        existed=not made,
        changed=made or bool(changed or removed) or any(settled),
        changed_files=changed,
        removed_files=removed,
        diff=[
            {
                "before_header": str(directory / name),
                "after_header": str(directory / name),
                "before": there.get(name, ""),
                "after": files.get(name, ""),
            }
            for name in [*changed, *removed]
        ],
    )


if __name__ == "__main__":
    main()
