# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Judges the seven layers by the kernel's facts. Pure: a table of checks for each layer, and nothing is assumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from .._mountinfo import Mount
from . import names
from .credentials import suspicious
from .expectation import Expectation
from .facts import Facts

ENFORCED = "enforced"
NOT_ENFORCED = "not_enforced"
NOT_APPLICABLE = "not_applicable"

# Bit numbers of linux/capability.h.
CAPABILITY_BITS = {"CHOWN": 0, "DAC_OVERRIDE": 1, "SETGID": 6, "SETUID": 7}
# Kernel interfaces and devices: not storage; runc binds the devices one by one under a user namespace.
_KERNEL_FILE_SYSTEMS = frozenset({"cgroup", "cgroup2", "devpts", "mqueue", "proc", "sysfs"})
_DEVICES = frozenset(f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero"))


@dataclass(frozen=True)
class Check:
    """One observation: whether it is as it must be, and what was seen."""

    good: bool
    seen: str


def evaluate(expected: Expectation, facts: Facts) -> dict[str, dict[str, str]]:
    """The report of all layers: status and evidence."""
    judges: dict[str, Callable[[Expectation, Facts], Iterable[Check]]] = {
        "L1": _isolation,
        "L2": _security_modules,
        "L3": _limits,
        "L4": _network,
        "L5": _file_systems,
        "L6": _credentials,
        "L7": _user_namespace,
    }
    return {layer: _verdict(list(judge(expected, facts))) for layer, judge in judges.items()}


def not_running() -> dict[str, dict[str, str]]:
    """The report of a container without processes: nothing can be read, so nothing is claimed."""
    entry = {"status": NOT_APPLICABLE, "evidence": "the container is not running"}
    return {f"L{number}": dict(entry) for number in range(1, 8)}


def _verdict(checks: list[Check]) -> dict[str, str]:
    failed = [check.seen for check in checks if not check.good]
    seen = failed or [check.seen for check in checks]
    return {"status": NOT_ENFORCED if failed else ENFORCED, "evidence": "; ".join(seen)}


def _each_process(facts: Facts, key: str, wanted: str) -> Check:
    wrong = [
        f"{process.pid}: {process.status.get(key)}" for process in facts.processes if process.status.get(key) != wanted
    ]
    count = len(facts.processes)
    if wrong or not count:
        return Check(False, f"{key} is not {wanted} in process {', '.join(wrong) or '(none seen)'}")
    return Check(True, f"{key}: {wanted} in {'the process' if count == 1 else f'all {count} processes'}")


def _isolation(expected: Expectation, facts: Facts) -> Iterable[Check]:
    shared = sorted(
        kind
        for kind, identity in facts.namespaces.items()
        if kind != "user" and identity == facts.host_namespaces.get(kind)
    )
    own = sorted(facts.namespaces.keys() - {"user", *shared})
    yield Check(
        not shared, f"namespaces shared with the host: {shared}" if shared else f"own namespaces {', '.join(own)}"
    )
    allowed = sum(1 << CAPABILITY_BITS[name] for name in expected.capabilities if name in CAPABILITY_BITS)
    bound = 0
    for process in facts.processes:
        bound |= int(process.status.get("CapBnd", "0"), 16)
    yield Check(bound & ~allowed == 0, f"CapBnd {bound:016x}, allowed {allowed:016x}")
    roots = [process.pid for process in facts.processes if _inside(facts, _uid(process.status)) == 0]
    yield Check(not roots, f"processes run as root inside: {roots}" if roots else "no process runs as root inside")
    yield Check(facts.cgroup is not None, "cgroup v2" if facts.cgroup is not None else "the host has cgroup v1")


def _security_modules(expected: Expectation, facts: Facts) -> Iterable[Check]:
    if expected.runtime not in names.HOST_KERNEL_RUNTIMES:
        yield Check(
            False, f"not enforced by this runtime: {expected.runtime} applies no seccomp or AppArmor profile inside"
        )
        return
    yield Check(expected.seccomp, "own seccomp profile" if expected.seccomp else "no seccomp profile was asked for")
    yield _each_process(facts, "Seccomp", "2")
    yield _each_process(facts, "NoNewPrivs", "1")
    if expected.apparmor is None:
        yield Check(False, "no AppArmor profile was asked for")
        return
    wanted = f"{expected.apparmor} (enforce)"
    wrong = [
        f"{process.pid}: {process.apparmor or 'none'}" for process in facts.processes if process.apparmor != wanted
    ]
    yield Check(not wrong, f"AppArmor is not {wanted} in process {', '.join(wrong)}" if wrong else f"AppArmor {wanted}")


def _limits(expected: Expectation, facts: Facts) -> Iterable[Check]:
    if facts.cgroup is None:
        yield Check(False, "the host has cgroup v1; its limits are not read")
    else:
        cpu = None if expected.cpu is None else f"{expected.cpu[0]} {expected.cpu[1]}"
        for name, wanted in (("cpu.max", cpu), ("memory.max", expected.memory), ("pids.max", expected.pids)):
            found = facts.cgroup.get(name, "missing")
            if wanted is None:
                yield Check(False, f"{name} is {found}: no limit was asked for")
            else:
                good = found == str(wanted)
                yield Check(good, f"{name} {found}" if good else f"{name} is {found}, wanted {wanted}")
        yield _swap(facts)
    for target, size in sorted(expected.volumes.items()):
        yield _quota(target, size, facts)


def _swap(facts: Facts) -> Check:
    found = (facts.cgroup or {}).get("memory.swap.max")
    if found is None:
        return Check(not facts.swap_in_kernel, f"memory.swap.max missing, swap devices: {facts.swap_in_kernel}")
    return Check(found == "0", f"memory.swap.max {found}")


def _quota(target: str, size: int | None, facts: Facts) -> Check:
    quota = facts.quotas.get(target)
    if quota is None or quota.limit is None:
        return Check(False, f"no quota on {target}: {quota.reason if quota else 'its volume was not found'}")
    files = f" and {quota.files} files" if quota.files else ""
    seen = f"quota of {target} {quota.limit} bytes{files} (project {quota.project})"
    if size is None:
        return Check(False, f"{seen}: no limit was asked for")
    # XFS keeps limits in blocks, so a size that is no multiple of one is rounded by less than that.
    return Check(abs(quota.limit - size) < 65536, seen if abs(quota.limit - size) < 65536 else f"{seen}, wanted {size}")


def _network(expected: Expectation, facts: Facts) -> Iterable[Check]:
    yield Check(expected.network == "none", f"network {expected.network}")
    yield Check(facts.interfaces == ("lo",), f"interfaces: {', '.join(facts.interfaces)}")
    yield Check(facts.routes == 0, f"{facts.routes} routes")


def _file_systems(expected: Expectation, facts: Facts) -> Iterable[Check]:
    if expected.runtime not in names.HOST_KERNEL_RUNTIMES:
        yield Check(False, f"not to be seen from the host: {expected.runtime} keeps the mounts in a kernel of its own")
        return
    root = next((mount for mount in facts.mounts if mount.target == "/"), None)
    read_only = root is not None and not root.writable
    yield Check(read_only, f"root file system {'read-only' if read_only else 'writable'}")
    storage = [mount for mount in facts.mounts if mount.target != "/" and _is_storage(mount)]
    problems = [problem for mount in storage for problem in _mount_problems(mount, expected)]
    for problem in problems:
        yield Check(False, problem)
    missing = sorted({*expected.tmpfs, *expected.volumes} - {mount.target for mount in facts.mounts})
    if missing:
        yield Check(False, f"not mounted: {', '.join(missing)}")
    if not problems and not missing:
        yield Check(
            True, f"writable only, and each with a size: {', '.join(sorted(mount.target for mount in storage))}"
        )


def _is_storage(mount: Mount) -> bool:
    if not mount.writable or mount.kind in _KERNEL_FILE_SYSTEMS or mount.target in _DEVICES:
        return False
    # The null device covers files of /proc that nobody inside may read.
    return not (mount.root == "/null" and mount.target.startswith(("/proc/", "/sys/")))


def _mount_problems(mount: Mount, expected: Expectation) -> Iterable[str]:
    if mount.target in expected.volumes:
        return
    if mount.kind != "tmpfs" or mount.target not in {*expected.tmpfs, "/dev", "/dev/shm"}:
        yield f"{mount.target} is writable and was not asked for ({mount.kind})"
        return
    if "size" not in mount.super_options:
        yield f"tmpfs {mount.target} has no size"
    if "nosuid" not in mount.options:
        yield f"tmpfs {mount.target} allows setuid programs"
    # /dev is runc's own: root's, and 64 KiB.
    if "noexec" not in mount.options and mount.target not in {*expected.executable_tmpfs, "/dev"}:
        yield f"tmpfs {mount.target} allows programs to run"


def _credentials(expected: Expectation, facts: Facts) -> Iterable[Check]:
    mount = next((entry for entry in facts.mounts if entry.target == names.PROXY_MOUNT), None)
    if expected.runtime not in names.HOST_KERNEL_RUNTIMES:
        yield Check(False, f"not to be seen from the host: {expected.runtime} keeps the mounts in a kernel of its own")
    elif not expected.proxy or mount is None:
        yield Check(False, "the credential proxy is not mounted")
    else:
        yield Check(not mount.writable, f"{names.PROXY_MOUNT} {'writable' if mount.writable else 'read-only'}")
    found = sorted({name for process in facts.processes for name in suspicious(process.environment)})
    yield Check(not found, f"environment holds {', '.join(found)}" if found else "no credential in the environment")
    search = facts.secrets
    if search is None:
        yield Check(True, "memory and files not searched (no secret_files given)")
        return
    seen = (
        f"searched {search.bytes_searched} bytes in {search.processes} processes and {search.files} files "
        f"for {search.secrets} secrets: {len(search.hits)} hits"
    )
    if search.hits:
        seen += f" ({', '.join(search.hits)})"
    if search.incomplete:
        seen += f"; not searched: {', '.join(search.incomplete)}"
    yield Check(not search.hits, seen)


def _user_namespace(_expected: Expectation, facts: Facts) -> Iterable[Check]:
    shared = facts.namespaces.get("user") == facts.host_namespaces.get("user")
    yield Check(not shared, "user namespace is the host's" if shared else "own user namespace")
    mapped = "; ".join(f"{inside}->{host} ({count})" for inside, host, count in facts.uid_map)
    reaches_root = any(row[1] == 0 for row in facts.uid_map)
    yield Check(bool(facts.uid_map) and not reaches_root, f"uid_map {mapped or 'empty'}")
    owners = sorted({_uid(process.status) for process in facts.processes})
    yield Check(
        0 not in owners and bool(owners), f"on the host the processes belong to uid {', '.join(map(str, owners))}"
    )


def _uid(status: Mapping[str, str]) -> int:
    return int(status.get("Uid", "0").split()[0])


def _inside(facts: Facts, uid: int) -> int | None:
    for inside, host, count in facts.uid_map:
        if host <= uid < host + count:
            return inside + uid - host
    return None


def writable_by(facts: Facts, target: str, user: str) -> bool:
    """Whether the directory belongs to the container's user, seen through the user namespace's map."""
    owner = facts.owners.get(target)
    return owner is not None and _inside(facts, owner) == int(user.split(":")[0])
