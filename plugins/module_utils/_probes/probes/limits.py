# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Takes more than a fair share of processes, memory, time and space. All is given back, and each act is bounded."""

from __future__ import annotations

import os
import signal
import time

from ..probe import MEBIBYTE, ROOT, Figures, Impossible, Measure, Probe, Surroundings
from ..toolkit import REFUSED, SUCCEEDED, UNSUPPORTED, Outcome, name_of, processor_seconds, scratch


def fork_bomb(figures: Figures) -> Outcome:
    """More children than the limit allows. Each lives until its parent has counted it, half a minute at the most."""
    wanted, why = figures["children"], "no error"
    children: list[int] = []
    try:
        while len(children) < wanted:
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                signal.pause()
                os._exit(0)
            children.append(child)
    except OSError as error:
        why = name_of(error.errno or 0)
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    return SUCCEEDED if len(children) == wanted else REFUSED, f"{len(children)} of {wanted} children, {why}"


def take_memory(figures: Figures) -> Outcome:
    """Touches memory in a child that volunteers to be killed first."""
    import mmap

    wanted, step = figures["bytes"], 16 << 20
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            with open("/proc/self/oom_score_adj", "w") as score:
                score.write("1000")
        except OSError:
            pass
        kept: list[mmap.mmap] = []
        try:
            while len(kept) * step < wanted:
                kept.append(mmap.mmap(-1, step, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
                try:
                    # MADV_POPULATE_WRITE (Linux 5.14) takes the pages in one call; Python has no name for it.
                    kept[-1].madvise(23)
                except OSError:
                    kept[-1][0:step:4096] = b"x" * (step // 4096)
                os.write(writer, b".")
        except (MemoryError, OSError):
            os._exit(12)
        os._exit(0)
    os.close(writer)
    told = b""
    while chunk := os.read(reader, 4096):
        told += chunk
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
    evidence = f"touched {told.count(b'.') * step} of {wanted} bytes, {how}"
    return SUCCEEDED if status == 0 else REFUSED, evidence


def page_out(figures: Figures) -> Outcome:
    """Asks the kernel to move memory into swap now, which needs no pressure, and looks how much of it went there."""
    import mmap

    size = figures["bytes"]
    area = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area[:] = b"x" * size
    try:
        # MADV_PAGEOUT (Linux 5.4); Python has no name for it.
        area.madvise(21)
    except OSError as error:
        return UNSUPPORTED, f"madvise(MADV_PAGEOUT): {name_of(error.errno or 0)}"
    with open("/proc/self/status") as file:
        gone = int(dict(line.split(":", 1) for line in file)["VmSwap"].split()[0]) * 1024
    return SUCCEEDED if gone > size // 2 else REFUSED, f"{gone} of {size} bytes in swap"


def take_processors(figures: Figures) -> Outcome:
    """Keeps more processors busy than allowed for a second, and compares the time that the kernel gave."""
    children = []
    before, began = processor_seconds()[0], time.monotonic()
    for _number in range(figures["children"]):
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            until = time.monotonic() + figures["seconds"]
            while time.monotonic() < until:
                pass
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    used, source = processor_seconds()
    share = (used - before) / (time.monotonic() - began)
    evidence = f"{share:.2f} processors by {source} for {figures['seconds']} s, allowed {figures['allowed']:.2f}"
    return SUCCEEDED if share > figures["allowed"] * 1.15 else REFUSED, evidence


def fill(figures: Figures) -> Outcome:
    """Takes space beyond a limit: blocks are reserved up to the edge, which is fast, and written beyond it."""
    target, directory = figures["bytes"], figures["directory"]
    os.makedirs(directory, exist_ok=True)
    path = scratch(directory)
    block, taken, step, why = b"x" * (1 << 20), 0, 1 << 30, "no error"
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        while taken < target - len(block) and step >= len(block):
            size = min(step, target - len(block) - taken)
            try:
                os.posix_fallocate(descriptor, taken, size)
                taken += size
            except OSError as error:
                why, step = name_of(error.errno or 0), step // 2
        try:
            while taken < target:
                taken += os.pwrite(descriptor, block, taken)
            os.fsync(descriptor)
        except OSError as error:
            why = name_of(error.errno or 0)
    finally:
        os.close(descriptor)
        os.unlink(path)
    return SUCCEEDED if taken >= target else REFUSED, f"{taken} of {target} bytes in {directory}, {why}"


def make_files(figures: Figures) -> Outcome:
    """Makes more empty files than a file system may hold, all in one directory that is removed again."""
    wanted, made, why = figures["files"], 0, "no error"
    top = scratch(figures["directory"])
    os.mkdir(top)
    handle = os.open(top, os.O_RDONLY)
    try:
        while made < wanted:
            os.close(os.open(str(made), os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=handle))
            made += 1
    except OSError as error:
        why = name_of(error.errno or 0)
    for number in range(made):
        os.unlink(str(number), dir_fd=handle)
    os.close(handle)
    os.rmdir(top)
    return SUCCEEDED if made >= wanted else REFUSED, f"{made} of {wanted} files in {figures['directory']}, {why}"


_BEYOND = 32 * MEBIBYTE
_RESERVE = 256 * MEBIBYTE
# Seconds on a fast machine; the default size of /opt/venv makes 65 536.
_MOST_FILES = 70_000


def _children(surroundings: Surroundings) -> Figures | Impossible:
    if surroundings.pids is None:
        return Impossible(reason="the container has no process limit that could be exceeded")
    return {"children": surroundings.pids + 64}


def _memory(surroundings: Surroundings) -> Figures | Impossible:
    if surroundings.memory is None:
        return Impossible(reason="the container has no memory limit that could be exceeded")
    wanted = surroundings.memory + 128 * MEBIBYTE
    if surroundings.host_memory < wanted + _RESERVE:
        return Impossible(reason=f"the host has only {surroundings.host_memory} bytes of memory to spare")
    return {"bytes": wanted}


def _swap(surroundings: Surroundings) -> Figures | Impossible:
    if surroundings.memory is None:
        return Impossible(reason="the container has no memory limit that could be exceeded")
    if surroundings.host_swap < _BEYOND:
        return Impossible(reason="the host has no swap that could be used")
    return {"bytes": _BEYOND // 2}


def _processors(surroundings: Surroundings) -> Figures | Impossible:
    if surroundings.cpu is None:
        return Impossible(reason="the container has no processor limit that could be exceeded")
    if surroundings.host_cpus <= surroundings.cpu:
        return Impossible(
            reason=f"the host has {surroundings.host_cpus} processors and the limit is {surroundings.cpu:g}: "
            "no program could exceed it"
        )
    return {"children": int(surroundings.cpu) + 1, "seconds": 1.5, "allowed": surroundings.cpu}


def _volume(target: str) -> Measure:
    def figures(surroundings: Surroundings) -> Figures | Impossible:
        size = surroundings.volumes.get(target)
        if size is None:
            return Impossible(reason=f"{target} is no volume with a limit that could be exceeded")
        if surroundings.host_disk < size + _BEYOND + _RESERVE:
            return Impossible(reason=f"only {surroundings.host_disk} bytes are free where Docker keeps its volumes")
        return {"directory": target, "bytes": size + _BEYOND}

    return figures


def _tmpfs(target: str) -> Measure:
    def figures(surroundings: Surroundings) -> Figures | Impossible:
        size = surroundings.tmpfs.get(target)
        if size is None:
            return Impossible(reason=f"{target} is no memory file system with a size")
        return {"directory": target, "bytes": size + _BEYOND // 4}

    return figures


def _files(target: str) -> Measure:
    def figures(surroundings: Surroundings) -> Figures | Impossible:
        files = surroundings.files.get(target)
        if files is None:
            return Impossible(reason=f"{target} has no limit on the number of files")
        if files > _MOST_FILES:
            return Impossible(reason=f"{target} may hold {files} files, and a probe makes {_MOST_FILES} at the most")
        return {"directory": target, "files": files + 1}

    return figures


def _fill(target: str, figures: Measure, layer: str, *defences: str, probe_id: str = "") -> Probe:
    return Probe(
        id=probe_id or f"fill_{target.strip('/').replace('/', '_').replace('.', '')}",
        layer=layer,
        title=f"Fill {target} beyond its size",
        act=fill,
        figures=figures,
        # Older Docker gives a memory file system the owner and mode that the image's directory has.
        control_user=ROOT if target == "/run" else "",
        defences=defences,
        references=("security design, table of destructive commands: dd", "moby: local volume driver, option size"),
        timeout=60,
        heavy=True,
    )


PROBES = (
    Probe(
        id="fork_bomb",
        layer="L3",
        title="Start more processes than the limit allows",
        act=fork_bomb,
        figures=_children,
        defences=("pids_limit",),
        references=("security design, table of destructive commands: fork bomb", "CIS Docker 5.29"),
        timeout=30,
        heavy=True,
    ),
    Probe(
        id="memory_hog",
        layer="L3",
        title="Use more memory than the limit allows",
        act=take_memory,
        figures=_memory,
        defences=("memory_limit",),
        references=("security design, table of destructive commands: memory", "CIS Docker 5.11"),
        timeout=60,
        heavy=True,
    ),
    Probe(
        id="swap_use",
        layer="L3",
        title="Push memory into the host's swap",
        act=page_out,
        figures=_swap,
        defences=("swap_limit",),
        references=("security design: memswap_limit", "CIS Docker 5.11"),
        timeout=60,
        heavy=True,
    ),
    Probe(
        id="cpu_hog",
        layer="L3",
        title="Use more processors than the limit allows",
        act=take_processors,
        figures=_processors,
        defences=("cpu_quota",),
        references=("security design, table of destructive commands: endless loop", "CIS Docker 5.12"),
        timeout=20,
        heavy=True,
    ),
    _fill("/workspace", _volume("/workspace"), "L3", "volume_quota", probe_id="disk_fill"),
    _fill("/opt/venv", _volume("/opt/venv"), "L3", "volume_quota"),
    *(
        _fill(target, _tmpfs(target), "L5", "tmpfs_size")
        for target in ("/tmp", "/var/tmp", "/home/appuser", "/home/appuser/.cache")
    ),
    # The AppArmor profile lets nobody write there but to the sockets' own places.
    _fill("/run", _tmpfs("/run"), "L5", "tmpfs_size", "apparmor"),
    _fill("/dev/shm", _tmpfs("/dev/shm"), "L5", "shm_size"),
    Probe(
        id="inodes_opt_venv",
        layer="L3",
        title="Make more files in /opt/venv than it may hold",
        act=make_files,
        figures=_files("/opt/venv"),
        defences=("volume_inodes",),
        references=("security design: disk limit",),
        timeout=60,
        heavy=True,
    ),
)
