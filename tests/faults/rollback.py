# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way there and back: a host with a past, the roll-out, a conversation, and `rollback.yml`.

Afterwards the host must have the images, containers and volumes of before, and its configuration file by file; what is
left over is printed, and must be on the list of what the roles' pages say that they keep.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess

from faults.flows import CHECK, PREPARE
from faults.machine import FaultError, Machine, ansible_environment, machine

#: Every file of the configuration with its mode, owner and content; the profiles in the kernel; what starts at boot.
_STATE = r"""
set -eu
python3 -m json.tool --sort-keys --compact /etc/docker/daemon.json
find /etc /usr/local /opt /var/lib/bulkhead /var/log/credential_proxy /var/lib/credential_proxy /run/credential_proxy \
  -xdev ! -type d ! -path /etc/docker/daemon.json \
  -printf '%p %y %m %U:%G ' \( -type f -exec sh -c 'sha256sum <"$1"' - {} \; -o -printf '%l\n' \) \
  2>/dev/null | sort || true
sed 's/ (.*//; s/^/profile /' /sys/kernel/security/apparmor/profiles | sort
findmnt --noheadings --output TARGET,FSTYPE --raw | grep -v '^/run/docker\|overlay\|^/run/user\|credentials' | sort
docker info --format '{{json .SecurityOptions}} {{.DockerRootDir}} {{.Driver}}'
ls -d /var/lib/docker*
"""

#: Left where it is: (pattern of a line that only the host of afterwards has, the reason).
_KEPT = (
    (r"^/var/lib/docker\.(xfs|before-xfs)$", "the data of either side, until xfs_quota_remove_old_ok"),
    (r"^/var/l(ib|og)/credential_proxy/", "the audit log and what it is checked with, until credential_proxy_purge_ok"),
    (r"^/etc/(passwd|group|g?shadow)-? ", "system users whose files may be left, until the purge variables"),
    (r"^/etc/docker/daemon\.json\..*~ ", "what daemon.json was, as every change of it keeps it"),
    (r"^/var/lib/bulkhead/hosts ", "the hosts file of conversations, which their containers had mounted"),
    (r"^bulkhead/workspace:demo ", "an image of the time between, carried over like those of before"),
    (r"^/etc/sub[ug]id-? ", "the range that these files belong to, until docker_userns_purge_ok"),
)

_VARIABLES: dict[str, object] = {
    "workspace_environment": "development",
    "workspace_rollout": "there",
    "conversation_id": "there-and-back",
    "workspace_image": "bulkhead/workspace:demo",
    "xfs_quota_size": "4G",
    "xfs_quota_preallocate": True,
    "xfs_quota_convert_ok": True,
    "docker_userns_dedicated_host": True,
    "docker_userns_hide_existing_ok": True,
    "docker_userns_carry_images": True,
    "credential_proxy_credentials": [{"name": "anthropic", "value": "sk-ant-test-0123456789abcdef"}],
    "credential_proxy_routes": [
        {"name": "anthropic", "type": "anthropic", "prefix": "/", "host": "api.test", "credential": "anthropic"}
    ],
}


def start(host: Machine, name: str, **more: object) -> subprocess.CompletedProcess[str]:
    """Run one of the collection's playbooks."""
    words = ["-i", str(host.inventory), "-e", json.dumps({**_VARIABLES, **more}), f"bulkhead.workspace.{name}"]
    return subprocess.run(["ansible-playbook", *words], capture_output=True, text=True, env=ansible_environment())


def refused(host: Machine) -> str:
    """The way back without the last role's consent: it must be told before the first role's change."""
    before = host.check(_STATE)
    done = start(host, "rollback", xfs_quota_convert_ok=False)
    if done.returncode == 0 or "cannot take the hardening back; nothing was changed." not in done.stdout:
        raise FaultError(f"rollback.yml does not refuse:\n{done.stdout[-6000:]}{done.stderr}")
    if host.check(_STATE) != before:
        raise FaultError("rollback.yml refuses, and has changed the host")
    return "refused; nothing was changed"


def play(host: Machine, name: str, **more: object) -> str:
    """Run one of the collection's playbooks to its end; its recap."""
    done = start(host, name, **more)
    if done.returncode != 0:
        raise FaultError(f"{name}.yml does not finish:\n{done.stdout[-6000:]}{done.stderr}")
    found = re.search(r"ok=\d+ +changed=\d+", done.stdout)
    return found[0] if found else ""


def leftovers(before: str, after: str) -> tuple[list[str], list[str]]:
    """What differs and must not, and what is kept with its reason."""
    wrong: list[str] = []
    kept: list[str] = []
    for line in sorted(set(after.splitlines()) ^ set(before.splitlines())):
        sign = "+" if line in after else "-"
        reason = next((words for pattern, words in _KEPT if re.search(pattern, line)), "")
        if reason:
            kept.append(f"{sign} {line}  ({reason})")
        else:
            wrong.append(f"{sign} {line}")
    return wrong, kept


def run(release: str) -> list[str]:
    """There and back on a fresh machine; every difference that nobody has announced."""
    with machine("rollback", release) as host:
        host.check(PREPARE)
        state, data = host.check(_STATE), host.check(CHECK)
        print("site.yml:", play(host, "site"), flush=True)
        host.check("docker load --quiet --input /srv/images/workspace.tar")
        print("workspace.yml:", play(host, "workspace"), flush=True)
        host.check("docker exec ws-there-and-back sh -c 'echo work >/workspace/notes'")
        print("workspace.yml, absent:", play(host, "workspace", workspace_state="absent"), flush=True)
        print("rollback.yml without a consent:", refused(host), flush=True)
        print("rollback.yml:", play(host, "rollback"), flush=True)
        print("rollback.yml again:", play(host, "rollback"), flush=True)
        wrong, kept = leftovers(state + data, host.check(_STATE) + host.check(CHECK))
        print("kept:", *kept, sep="\n  ")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", choices=["trixie", "bookworm"], default="trixie")
    options = parser.parse_args()
    wrong = run(options.release)
    if wrong:
        print("not as before:", *wrong, sep="\n  ")
    print(f"rollback: {len(wrong)} differences on {options.release} that nobody has announced")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
