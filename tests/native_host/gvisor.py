# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role gvisor with a real runsc: from the package, and from a file with its checksum; there and back."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile

from faults.machine import ansible_environment
from workloads import gvisor

from native_host.host import Host, HostError, host

_DOCKER = """
mkdir -p /etc/docker
echo '{"bridge": "none", "iptables": false, "ip6tables": false}' >/etc/docker/daemon.json
systemctl enable --quiet --now docker
"""
_SEES = re.compile(r"A container with the runtime runsc sees[^']*")
#: Release, and whether the program comes from the controller; Debian 12 has no package of it.
_CASES = (("trixie", False), ("trixie", True), ("bookworm", True))


def play(running: Host, **variables: str) -> tuple[bool, int, str]:
    """Run the role: whether it ended well, how many tasks changed something, and what it said."""
    role = {"role": "bulkhead.workspace.gvisor", "vars": variables}
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump([{"hosts": "all", "become": True, "gather_facts": False, "roles": [role]}], file)
        file.flush()
        done = subprocess.run(
            ["ansible-playbook", "-i", str(running.inventory), file.name],
            env=ansible_environment(),
            capture_output=True,
            text=True,
        )
    changed = re.search(r"changed=(\d+)", done.stdout)
    return done.returncode == 0, int(changed[1]) if changed else -1, " ".join((done.stdout + done.stderr).split())


def insist(condition: bool, what: str, said: str) -> None:
    if not condition:
        raise HostError(f"{what}: {said[-3000:]}")


def case(release: str, *, given: bool) -> str:
    """One release: refused, there, again, and back; what the container saw."""
    with host(release) as running:
        running.check(_DOCKER)
        before = running.check("cat /etc/docker/daemon.json; pidof dockerd")
        variables = {}
        if given:
            program = gvisor.program()
            checksum = hashlib.sha256(program.read_bytes()).hexdigest()
            variables = {"gvisor_file": str(program), "gvisor_checksum": checksum}
            ok, changed, said = play(running, **{**variables, "gvisor_checksum": checksum[::-1]})
            insist(not ok and changed == 0 and checksum in said, "a wrong checksum is not refused", said)
        ok, changed, said = play(running, **variables)
        seen = _SEES.search(said)
        insist(ok and changed > 0 and seen is not None, "the role does not finish", said)
        ok, changed, again = play(running, **variables)
        insist(ok and changed == 0, "the second run changes something", again)
        ok, changed, back = play(running, gvisor_state="absent", **variables)
        insist(ok and changed == 1, "the way back fails", back)
        after = running.check("cat /etc/docker/daemon.json; pidof dockerd")
        same = json.loads(before.rpartition("}")[0] + "}") == json.loads(after.rpartition("}")[0] + "}")
        insist(same, "daemon.json is not as before", after)
        insist(before.split()[-1] == after.split()[-1], "dockerd was restarted", after)
    return seen[0] if seen else ""


def main() -> None:
    for release, given in _CASES:
        print(
            f"{release}, {'a file with its checksum' if given else 'the package'}: {case(release, given=given)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
