#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace_probe
short_description: Attack a workspace container and report what happened
description:
  - Tries forbidden acts inside the running container of a conversation, or inside a copy of it that is thrown away.
  - Each act has a control, the very same act in a plain container without the defences that the probe names, which
    must succeed there. An act that fails in both places proves nothing, and is reported as not proven.
  - All acts of one user run in one program and one exec. The image needs nothing but C(python3) and C(env). Where it
    has none, the interpreter of the host is carried into the copy (O(throwaway=true)).
  - The acts are bounded in time and size, watched from outside, clean up behind them, and do not harm the host or
    other conversations. Programs in the container may feel them, since its processes, memory and disk are used up for
    seconds. O(throwaway=true) spares them.
version_added: 1.0.0
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
extends_documentation_fragment:
  - bulkhead.workspace._attributes.info_module
  - bulkhead.workspace._docker
attributes:
  check_mode:
    details:
      - In check mode nothing is attacked, and RV(attacks) is empty.
options:
  conversation_id:
    description: The conversation whose container is attacked. It must run.
    type: str
    required: true
  probes:
    description:
      - The acts to try, by name. All of them if empty. The page about probes in the documentation lists them.
    type: list
    elements: str
    default: []
  layers:
    description: Only the acts of these layers. All of them if empty.
    type: list
    elements: str
    choices: [L1, L2, L3, L4, L5, L6, L7]
    default: []
    version_added: 2.0.0
  control:
    description: Whether to run the controls. Without them nothing counts as proven.
    type: bool
    default: true
  throwaway:
    description:
      - Whether to attack a copy with exactly the same specification, made for that and removed, instead.
      - What runs in the conversation's own container as the same user can disturb acts there, and answer for them. A
        copy has none of it.
    type: bool
    default: false
    version_added: 2.0.0
  without:
    description:
      - Defences to switch off in the copy, to see that probes notice. Implies O(throwaway=true); the conversation's own
        container keeps all of them. With it, RV(expected_open) tells which acts succeed then.
    type: list
    elements: str
    default: []
    version_added: 2.0.0
seealso:
  - module: bulkhead.workspace.workspace_container
"""

EXAMPLES = r"""
- name: Attack the workspace of a conversation
  bulkhead.workspace.workspace_probe:
    conversation_id: 7f3c2a
  register: probed

- name: Fail unless every act was blocked, and every control succeeded
  ansible.builtin.assert:
    that: probed.proven
    fail_msg: "{{ probed.attacks | dict2items | selectattr('value.status', 'in', ['open', 'unproven', 'error']) }}"

- name: See that the probes notice a missing AppArmor profile
  bulkhead.workspace.workspace_probe:
    conversation_id: 7f3c2a
    without: [apparmor]
    control: false
  register: mutated
  failed_when: mutated.open != mutated.expected_open
"""

RETURN = r"""
attacks:
  description:
    - The verdicts by probe.
    - C(status) is V(proven) if the act was blocked inside and succeeded in the control, V(open) if it succeeded inside,
      V(unproven) if it failed in both places or the control was not run, V(not_applicable) if the container has no such
      limit, the kernel no such call (which the control showed), or the act ended in a kernel of the runtime's own, and
      V(error) if the act did not report.
    - C(defences) are those that each stop the act alone, on this host. C(control.container) is the kind of plain
      container.
  returned: success
  type: dict
  sample:
    fork_bomb:
      layer: L3
      title: Start more processes than the limit allows
      defences: [pids_limit]
      references:
        - "security design, table of destructive commands: fork bomb"
      status: proven
      blocked: true
      evidence: 252 of 320 children, EAGAIN (kernel's counters; pids.events max +1)
      seconds: 0.4
      control:
        container: plain
        status: run
        succeeded: true
        evidence: 320 of 320 children, no error
      proven: true
counts:
  description: How many probes ended with each status.
  returned: success
  type: dict
  sample: {proven: 120, open: 0, unproven: 0, not_applicable: 18, error: 0}
layers:
  description: The same by layer.
  returned: success
  type: dict
  sample:
    L3: {proven: 6, open: 0, unproven: 0, not_applicable: 1, error: 0}
runtime:
  description: The kernel that answers inside. C(status) is V(enforced) where it is not the host's, as under gVisor.
  returned: success
  type: dict
  sample: {status: not_applicable, evidence: "runc: the host's kernel answers, 6.12.57"}
neighbours:
  description: How many other conversations were watched, and which of them did not come through unharmed.
  returned: success
  type: dict
  sample: {watched: 3, harmed: []}
open:
  description: The acts that succeeded inside.
  returned: success
  type: list
  elements: str
  sample: []
expected_open:
  description: The acts that succeed where the defences of O(without) are off, those whose every defence is among them.
  returned: success
  type: list
  elements: str
  sample: []
blocked:
  description: Whether no act succeeded inside, and each reported.
  returned: success
  type: bool
  sample: true
proven:
  description: Whether every act that applies was blocked and succeeded in its control, and no neighbour was harmed.
  returned: success
  type: bool
  sample: true
seconds:
  description: How long the run took.
  returned: success
  type: float
  sample: 48.2
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes import verdict
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.attack import attack
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.catalogue import PROBES
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.defences import DEFENCES, closed_over
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.probe import Probe
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import parse
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.arguments import DOCKER_HOST, failing
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import InvalidRequestError

LAYERS = ["L1", "L2", "L3", "L4", "L5", "L6", "L7"]
# Longer than any batch runs: the daemon says nothing while a program in a container says nothing.
DOCKER_TIMEOUT = 900


def chosen(params: Mapping[str, Any]) -> list[Probe]:
    """The probes of a task; everything wrong with it in one error."""
    problems = []
    try:
        parse.conversation_id(params["conversation_id"])
    except ValueError as error:
        problems.append(f"conversation_id: {error}")
    for option, known in (("probes", PROBES), ("without", DEFENCES)):
        unknown = [name for name in params[option] if name not in known]
        if unknown:
            problems.append(f"{option}: {', '.join(unknown)} unknown; choose from {', '.join(known)}")
    if problems:
        raise InvalidRequestError("probe a conversation", problems)
    wanted = [PROBES[name] for name in dict.fromkeys(params["probes"] or PROBES)]
    return [probe for probe in wanted if probe.layer in (params["layers"] or LAYERS)]


def result(found: Mapping[str, Any], without: Sequence[str]) -> dict[str, Any]:
    """What the module returns."""
    attacks = found["attacks"]
    counts = verdict.counts(attacks)
    tried = [name for name, entry in attacks.items() if entry["status"] != verdict.NOT_APPLICABLE]
    unharmed = not found["neighbours"]["harmed"]
    return {
        **found,
        "counts": counts,
        "layers": verdict.by_layer(attacks),
        "open": sorted(name for name, entry in attacks.items() if entry["status"] == verdict.OPEN),
        "expected_open": sorted(verdict.expected_open(attacks, closed_over(without))),
        "blocked": bool(tried) and all(attacks[name]["blocked"] for name in tried),
        "proven": bool(tried) and unharmed and all(attacks[name]["proven"] for name in tried),
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "conversation_id": {"type": "str", "required": True},
            "docker_host": DOCKER_HOST,
            "probes": {"type": "list", "elements": "str", "default": []},
            "layers": {"type": "list", "elements": "str", "choices": LAYERS, "default": []},
            "control": {"type": "bool", "default": True},
            "throwaway": {"type": "bool", "default": False},
            "without": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params, began = module.params, time.monotonic()
    with failing(module):
        probes = chosen(params)
        found: dict[str, Any] = {"attacks": {}, "runtime": {}, "neighbours": {"watched": 0, "harmed": []}}
        if module.check_mode:
            probes = []
        else:
            driver = Driver(params["docker_host"], DOCKER_TIMEOUT)
            found = attack(
                driver,
                params["conversation_id"],
                probes,
                control=params["control"],
                throwaway=params["throwaway"],
                without=params["without"],
            )
        seconds = round(time.monotonic() - began, 1)
        module.exit_json(changed=False, seconds=seconds, **result(found, params["without"]))


if __name__ == "__main__":
    main()
