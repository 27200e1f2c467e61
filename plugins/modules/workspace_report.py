#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace_report
short_description: Write the layer report of a fleet
description:
  - Makes one report of what M(bulkhead.workspace.workspace_container_info) and M(bulkhead.workspace.workspace_probe)
    returned on every host, and writes it as C(report.json), C(report.html), C(junit.xml) and C(report.sarif).
  - Runs where the files shall be, usually on the controller.
version_added: 2.0.0
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
extends_documentation_fragment:
  - bulkhead.workspace._attributes
attributes:
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - The report tells when it was made, so it changes with every run.
options:
  hosts:
    description:
      - What the hosts told, by name. C(conversations) is what M(bulkhead.workspace.workspace_container_info) returned,
        C(attacks) holds by conversation what M(bulkhead.workspace.workspace_probe) returned. C(failed) says why a host
        told nothing.
    type: dict
    required: true
  directory:
    description: Where the files go. It is made if needed. Nothing is written if empty.
    type: path
  collection:
    description: The version of the collection, for the report.
    type: str
    default: unknown
seealso:
  - module: bulkhead.workspace.workspace_probe
  - module: bulkhead.workspace.workspace_container_info
"""

EXAMPLES = r"""
- name: Write the report
  bulkhead.workspace.workspace_report:
    hosts:
      ws-1:
        conversations: "{{ info.conversations }}"
        attacks:
          7f3c2a: "{{ probed }}"
    directory: reports
  delegate_to: localhost
"""

RETURN = r"""
summary:
  description: How many hosts, conversations and probes there are, whether all is proven, and the problems if not.
  returned: success
  type: dict
  sample:
    hosts: 2
    conversations: 3
    probes: {proven: 127, open: 0, unproven: 0, error: 0, not_applicable: 12}
    proven: true
    problems: []
table:
  description: The report for a terminal, line by line.
  returned: success
  type: list
  elements: str
  sample:
    - host/conversation  L1  L2  L3  L4  L5  L6  L7  runtime  probes proven
    - ws-1/7f3c2a        ok  ok  ok  ok  ok  ok  ok  n/a      127 of 127, 12 n/a
files:
  description: The files that were written.
  returned: success
  type: list
  elements: str
  sample: [reports/report.json, reports/report.html, reports/junit.xml, reports/report.sarif]
"""

import json
from datetime import datetime, timezone
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._report import document as documents
from ansible_collections.bulkhead.workspace.plugins.module_utils._report import junit, page, sarif, terminal


def write(directory: Path, texts: dict[str, str]) -> list[str]:
    """Writes the files, each in one piece; returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        part = directory / f".{name}.part"
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
        part.replace(directory / name)
    return [str(directory / name) for name in texts]


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "hosts": {"type": "dict", "required": True},
            "directory": {"type": "path"},
            "collection": {"type": "str", "default": "unknown"},
        },
        supports_check_mode=True,
    )
    params = module.params
    generated = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    document = documents.build(params["hosts"], generated, params["collection"])
    texts = {
        "report.json": json.dumps(document, indent=2, sort_keys=True) + "\n",
        "report.html": page.render(document),
        "junit.xml": junit.render(document),
        "report.sarif": sarif.render(document),
    }
    files: list[str] = []
    if params["directory"]:
        directory = Path(params["directory"])
        files = [str(directory / name) for name in texts]
        if not module.check_mode:
            try:
                write(directory, texts)
            except OSError as error:
                module.fail_json(
                    msg=f"cannot write the report to {directory}: {error.strerror}; name another directory"
                )
    module.exit_json(changed=bool(files), summary=document["summary"], table=terminal.lines(document), files=files)


if __name__ == "__main__":
    main()
