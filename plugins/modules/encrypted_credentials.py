#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: encrypted_credentials
short_description: Keep credentials on a host encrypted for systemd
description:
  - Keeps each credential in a file that C(systemd-creds) has encrypted for this very host, for the setting
    C(LoadCredentialEncrypted) of a unit.
  - systemd chooses the key, which is bound to the host's TPM where it has one, and to a file that only root can read.
  - A file is written only when what it decrypts to is not what is wanted, or when it does not decrypt at all.
  - Credentials are neither in arguments of programs, nor in the diff.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 2.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes
options:
  directory:
    description: Where the files are. The file of a credential is its name with C(.cred) after it, and mode 0600.
    type: path
    required: true
  credentials:
    description: The credentials by their names, which are what the unit calls them.
    type: dict
    default: {}
  take_over:
    description:
      - Names of credentials that may lie in the directory in plain, in a file of that name. Such a file is encrypted,
        unless O(credentials) has that name too. The plain file is left for the caller to remove.
    type: list
    elements: str
    default: []
requirements:
  - systemd 250 or newer on the target
notes:
  - Ansible itself writes the arguments of a module into a temporary file on the target, unless pipelining is on.
seealso:
  - module: bulkhead.workspace.directory_files
"""

EXAMPLES = r"""
- name: Keep a key encrypted
  bulkhead.workspace.encrypted_credentials:
    directory: /etc/example/credentials
    credentials:
      api-key: "{{ vault_api_key }}"
"""

RETURN = r"""
written:
  description: Names of the credentials that were written, in order.
  returned: success
  type: list
  elements: str
  sample: [api-key]
"""

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._files import settle, write
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import sealed
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import WorkspaceError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def file_of(directory: Path, name: str) -> Path:
    """Where a credential lies encrypted."""
    return directory / f"{name}{sealed.SUFFIX}"


def wished(directory: Path, given: dict[str, str], take_over: list[str]) -> dict[str, bytes]:
    """What shall be encrypted: what is given, and what lies there in plain."""
    found = {name: (directory / name).read_bytes() for name in take_over if (directory / name).is_file()}
    return {**found, **{name: value.encode() for name, value in given.items()}}


def holds(directory: Path, name: str, value: bytes) -> bool:
    """Whether the file decrypts to this. One that does not decrypt, such as another host's, is written anew."""
    try:
        return sealed.read_secret(file_of(directory, name)) == value
    except (OSError, WorkspaceError):
        return False


def check_rest(directory: Path, names: list[str]) -> None:
    """Refuse files that nobody gives anew, and that this host cannot decrypt: the service would not start again."""
    for name in names:
        file = file_of(directory, name)
        if file.is_file():
            sealed.read_secret(file)


def main() -> None:
    """Compare, and encrypt what differs."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "credentials": {"type": "dict", "default": {}, "no_log": True},
            "take_over": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    directory = Path(module.params["directory"])
    given, take_over = module.params["credentials"], module.params["take_over"]
    if refused := sorted(name for name in {*given, *take_over} if not _NAME.fullmatch(name)):
        module.fail_json(
            msg=f"cannot encrypt credentials: {refused} are no names; use letters, digits, hyphens and underscores"
        )
    try:
        sealed.try_out()
        wanted = wished(directory, given, take_over)
        check_rest(directory, sorted(set(take_over) - set(wanted)))
        written = sorted(name for name in wanted if not holds(directory, name, wanted[name]))
        contents = {} if module.check_mode else {name: sealed.seal(name, wanted[name]) for name in written}
    except (OSError, WorkspaceError) as error:
        module.fail_json(msg=str(error))
    files = [file_of(directory, name) for name in written]
    there = [file.exists() for file in files]
    for name, content in contents.items():
        write(module, file_of(directory, name), content)
    kept = [file_of(directory, name) for name in sorted({*given, *take_over})]
    settled = [settle(module, file, "0600") for file in kept if file.exists()]
    module.exit_json(
        changed=bool(written) or any(settled),
        written=written,
        diff=[
            {
                "before_header": str(file),
                "after_header": str(file),
                "before": "(an encrypted credential)\n" if was else "",
                "after": "(another encrypted credential)\n" if was else "(an encrypted credential)\n",
            }
            for file, was in zip(files, there, strict=True)
        ],
    )


if __name__ == "__main__":
    main()
