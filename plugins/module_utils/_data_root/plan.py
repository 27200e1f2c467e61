# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done about the data root, and everything that stands against it. Pure.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.survey import Facts
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.units import Units
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.wish import MIN_BYTES, Wish

#: An XFS keeps about this share of itself for its own lists and log.
_USABLE = 0.9


@dataclass(frozen=True)
class Plan:
    """``act`` is keep, convert, finish or remount. ``grow`` is the new size of the loop file in bytes, or 0."""

    act: str
    problems: tuple[str, ...]
    grow: int = 0
    remove_old: bool = False
    warning: str = ""

    @property
    def stops_docker(self) -> bool:
        return self.act != "keep"


def decide(wish: Wish, facts: Facts) -> Plan:
    """The plan for one look at the host."""
    act = _act(wish, facts)
    problems = wish.problems() + _host_problems(wish, facts)
    if not problems:
        problems = {"keep": _keep, "convert": _convert, "finish": _finish, "remount": _remount}[act](wish, facts)
    return Plan(
        act=act,
        problems=(*problems, *silence_problems(act, facts)),
        grow=_grow(wish, facts) if act == "keep" else 0,
        remove_old=wish.remove_old_ok and facts.aside and act == "keep",
        warning=_warning(wish, facts) if act == "keep" else "",
    )


def silence_problems(act: str, facts: Facts) -> list[str]:
    """What stands against an act that stops Docker where it does not say whom that would hit."""
    if act == "keep" or not facts.silence:
        return []
    return [f"cannot tell which containers are running: {facts.silence}; bring Docker back to health, or stop it"]


def _act(wish: Wish, facts: Facts) -> str:
    if facts.note and facts.note.act == "remount":
        return "keep" if facts.ready else "remount"
    if facts.note and facts.note.act != "grow" and facts.committed:
        return "finish"
    if facts.ready:
        return "keep"
    if facts.committed:
        return "finish"
    return "remount" if _can_remount(wish, facts) else "convert"


def _can_remount(wish: Wish, facts: Facts) -> bool:
    return facts.kind == "xfs" and facts.mount_point != "/" and (wish.remount_ok or facts.own_mount)


def _host_problems(wish: Wish, facts: Facts) -> list[str]:
    found = []
    if facts.config_error:
        found.append(facts.config_error.replace("; nothing was changed", ""))
    if facts.config_root and facts.config_root != wish.root:
        found.append(
            f"cannot use {wish.root}: /etc/docker/daemon.json says data-root {facts.config_root}; "
            "name that as the data root"
        )
    if facts.missing and not (facts.note and facts.note.act == "remount"):
        found.append(f"cannot judge {wish.root}: /etc/fstab mounts something there that is not mounted; mount it first")
    return found


def _keep(wish: Wish, facts: Facts) -> list[str]:
    more = _grow(wish, facts) - (facts.loop_bytes or 0)
    if more > facts.free_bytes and not wish.sparse_ok:
        return [
            f"cannot grow {wish.loop_file} to {wish.size}: only {human(facts.free_bytes)} are free there; "
            "lower the size, or allow a sparse file"
        ]
    return []


def _grow(wish: Wish, facts: Facts) -> int:
    """The size to grow to; 0 where the loop file is not in use, or as large already."""
    if facts.committed != wish.loop_file or facts.loop_bytes is None or wish.device:
        return 0
    cut_short = facts.note is not None and facts.note.act == "grow"
    return max(wish.bytes, facts.loop_bytes) if cut_short or wish.bytes > facts.loop_bytes else 0


def _warning(wish: Wish, facts: Facts) -> str:
    if facts.committed == wish.loop_file and facts.loop_bytes and 0 < wish.bytes < facts.loop_bytes:
        return f"{wish.loop_file} stays at {human(facts.loop_bytes)}: an XFS cannot shrink to {wish.size}"
    return ""


def _finish(wish: Wish, facts: Facts) -> list[str]:
    found = []
    wanted = f"/dev/disk/by-uuid/{facts.device.uuid}" if facts.device else wish.loop_file
    unit = Units(wish.root).name
    if facts.committed != wanted:
        found.append(
            f"cannot mount {wish.place}: {unit} mounts {facts.committed} already; name that, "
            f'or give it up with "systemctl disable {unit}"'
        )
    elif not facts.device and facts.loop_bytes is None:
        found.append(
            f"cannot mount {wish.loop_file}: the file is gone but {unit} wants it; restore the file, "
            f'or give it up with "systemctl disable {unit}"'
        )
    if not facts.ready and not facts.empty and facts.aside:
        found.append(
            f"cannot keep the old data: {wish.aside} exists already and {wish.root} is not empty; "
            "move one of the two away"
        )
    return found


def _remount(wish: Wish, facts: Facts) -> list[str]:
    target = facts.mount_point
    if facts.note and facts.note.act == "remount":
        return []
    if not facts.defined_in:
        return [
            f"cannot remount {target} with project quotas: neither /etc/fstab nor a mount unit brings it back at "
            "boot; write it into /etc/fstab first"
        ]
    if not wish.remount_ok:
        return [
            f"cannot count on {target}: it is XFS but mounted without pquota; allow the remount, which adds pquota "
            f"in {facts.defined_in}, stops Docker and mounts {target} again"
        ]
    return []


def _convert(wish: Wish, facts: Facts) -> list[str]:
    found = []
    if facts.resolved != wish.root:
        found.append(
            f"cannot mount at {wish.root}: the path leads to {facts.resolved} over a symbolic link; name that as the "
            "data root, also in /etc/docker/daemon.json"
        )
    elif facts.own_mount:
        found.append(
            f"cannot move {wish.root} aside: it is a mount of its own ({facts.source}, {facts.kind}); unmount it first"
        )
    if facts.kind == "xfs" and not facts.own_mount and not wish.convert_ok:
        way = (
            "for / write rootflags=pquota on the kernel command line, then reboot"
            if facts.mount_point == "/"
            else "allow the remount"
        )
        found.append(
            f"cannot count on {facts.mount_point}: it is XFS but mounted without pquota; {way}, "
            f"or allow the conversion to an XFS of its own on {wish.place}"
        )
    elif not facts.empty and not wish.convert_ok:
        found.append(
            f"cannot convert {wish.root}: it is on {facts.kind} and holds data ({human(facts.data_bytes)}); allow the "
            f"conversion to stop Docker and copy it to {wish.place}, the old tree is kept"
        )
    if not facts.empty and facts.aside:
        found.append(f"cannot keep the old data: {wish.aside} exists already; move it away")
    return found + (_device_problems(wish, facts) if facts.device else _loop_problems(wish, facts))


def _device_problems(wish: Wish, facts: Facts) -> list[str]:
    device = facts.device
    if device is None or not device.exists:
        return [f"cannot use {wish.device}: it is not a block device of this host; correct the name"]
    if device.mounted:
        return [f"cannot format {wish.device}: it is mounted at {device.mounted}; unmount it, or name another"]
    unfinished = facts.note is not None and facts.note.source == wish.device
    if device.holds and not wish.format_ok and not unfinished:
        return [
            f"cannot format {wish.device}: it is not blank, it holds {device.holds}; name another device, "
            "or allow the format, which destroys what is on it"
        ]
    return []


def _loop_problems(wish: Wish, facts: Facts) -> list[str]:
    found = []
    unfinished = facts.note is not None and facts.note.source == wish.loop_file
    if facts.loop_bytes is not None and not unfinished:
        found.append(
            f"cannot make {wish.loop_file}: it exists and no unit of this role mounts it; move it away, "
            "or name another file"
        )
    free = facts.free_bytes + (facts.loop_bytes or 0 if unfinished else 0)
    if wish.bytes > free and (wish.preallocate or not wish.sparse_ok):
        found.append(
            f"cannot make {wish.loop_file} of {wish.size}: only {human(free)} are free there; lower the size"
            + ("" if wish.preallocate else ", or allow a sparse file")
        )
    if facts.data_bytes > min(free, max(wish.bytes, MIN_BYTES) * _USABLE):
        found.append(
            f"cannot copy {human(facts.data_bytes)} into {wish.loop_file}: the file ({wish.size}) or the free space "
            f"around it ({human(free)}) is too small; raise the size or free some space"
        )
    return found


def human(count: int) -> str:
    """Bytes in words, 1024-based."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
