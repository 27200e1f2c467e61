#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files_info
short_description: Look at many files of a host in one task
description:
  - Tells of each path what it is, whose it is, and the checksum of its content, so that a role can skip what is done.
  - Tells the text of small files, such as those of C(/proc) and C(/sys), the names in directories, and what a role must
    know of the host itself.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 2.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes.info_module
options:
  paths:
    description: Files, directories and links to tell of. A pattern as of a shell stands for what it matches first.
    type: list
    elements: str
    default: []
  texts:
    description: Files whose text is returned. One that cannot be read has an empty text.
    type: list
    elements: path
    default: []
  wanted:
    description:
      - By path, what must lie there, in the words of RV(files). A word that is left out does not matter.
      - The paths are told of like those of O(paths).
    type: dict
    default: {}
  directories:
    description: Directories whose entries are returned by name. One that cannot be read has none.
    type: list
    elements: path
    default: []
  pythons:
    description: Interpreters whose version is returned.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Look at the files of a role
  bulkhead.workspace.host_files_info:
    paths: [/etc/bulkhead/seccomp/workspace-seccomp.json, /usr/lib/*/libseccomp.so.2]
    wanted:
      /etc/bulkhead: {kind: directory, mode: "0755"}
    texts: [/proc/sys/kernel/seccomp/actions_avail]
  register: look
"""

RETURN = r"""
files:
  description: By path as it was asked for, what lies there.
  returned: success
  type: dict
  sample:
    /etc/hostname: {"kind": "file", "mode": "0644", "owner": 0, "group": 0, "sha256": "ab12..."}
    /etc/none: {"kind": "absent", "mode": "", "owner": -1, "group": -1, "sha256": ""}
different:
  description: The paths of O(wanted) where something else lies, or nothing.
  returned: success
  type: list
  elements: str
  sample: [/etc/none]
texts:
  description: By path, the text.
  returned: success
  type: dict
  sample: {"/proc/sys/kernel/seccomp/actions_avail": "kill_process errno allow"}
entries:
  description: By directory, the sorted names in it.
  returned: success
  type: dict
  sample: {"/etc/credential_proxy/credentials": ["anthropic"]}
python_versions:
  description: By interpreter, major and minor version; empty where it cannot be run.
  returned: success
  type: dict
  sample: {"/usr/bin/python3": "3.13", "/opt/none": ""}
architecture:
  description: The machine's, as the kernel names it.
  returned: success
  type: str
  sample: x86_64
os_ids:
  description: C(ID) and C(ID_LIKE) of C(/etc/os-release).
  returned: success
  type: list
  elements: str
  sample: [debian]
python:
  description: The Python that runs modules on the host.
  returned: success
  type: str
  sample: /usr/bin/python3
"""

import hashlib
import platform
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"
_ABSENT = {"kind": "absent", "mode": "", "owner": -1, "group": -1, "sha256": ""}


def describe(pattern: str) -> dict[str, Any]:
    """What lies at a path, links not followed."""
    path = next(iter(sorted(Path("/").glob(pattern.lstrip("/")))), Path(pattern))
    try:
        status = path.lstat()
        regular = stat.S_ISREG(status.st_mode)
        checksum = hashlib.sha256(path.read_bytes()).hexdigest() if regular else ""
    except OSError:
        return _ABSENT
    return {
        "kind": _KINDS.get(stat.S_IFMT(status.st_mode), "other"),
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "owner": status.st_uid,
        "group": status.st_gid,
        "sha256": checksum,
    }


def differing(files: dict[str, dict[str, Any]], wanted: dict[str, dict[str, Any]]) -> list[str]:
    return [path for path, words in wanted.items() if any(files[path][word] != words[word] for word in words)]


def text_of(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def entries_of(directory: str) -> list[str]:
    try:
        return sorted(entry.name for entry in Path(directory).iterdir())
    except OSError:
        return []


def python_version(program: str) -> str:
    """Asks the interpreter itself, unless it is the one that runs this."""
    if Path(program).resolve() == Path(sys.executable).resolve():
        return f"{sys.version_info[0]}.{sys.version_info[1]}"
    try:
        done = subprocess.run([program, "-c", _VERSION], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def os_ids() -> list[str]:
    lines = dict(line.split("=", 1) for line in text_of("/etc/os-release").splitlines() if "=" in line)
    return " ".join(lines.get(key, "").strip("\"'") for key in ("ID", "ID_LIKE")).split()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "str", "default": []},
            "texts": {"type": "list", "elements": "path", "default": []},
            "wanted": {"type": "dict", "default": {}},
            "directories": {"type": "list", "elements": "path", "default": []},
            "pythons": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    wanted = module.params["wanted"]
    files = {path: describe(path) for path in [*module.params["paths"], *wanted]}
    module.exit_json(
        changed=False,
        files=files,
        different=differing(files, wanted),
        texts={path: text_of(path) for path in module.params["texts"]},
        entries={path: entries_of(path) for path in module.params["directories"]},
        python_versions={path: python_version(path) for path in module.params["pythons"]},
        architecture=platform.machine(),
        os_ids=os_ids(),
        python=sys.executable,
    )


if __name__ == "__main__":
    main()
