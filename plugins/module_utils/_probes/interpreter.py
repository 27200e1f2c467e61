# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""How acts enter a container: with the image's own python3, or, where it has none, with the host's.

The host has a Python, since Ansible runs there. A fresh one is asked what it has loaded after importing what acts use,
and those files are what is carried: the program, its loader and libraries, and the modules. They go into a directory of
their own in /workspace, where programs may run, of a container made for the attack: in a conversation's own, whoever
runs there could lead the copies elsewhere. So nothing compiled is shipped with the
collection, no compiler is needed, every processor is served, and the acts are the same text everywhere.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import WorkspaceError

# Only what lies on the image's read-only root: code in the workspace can change /opt/venv and its own environment, and
# must not be able to answer for a probe.
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_IMAGE = ("/usr/bin/env", "-i", _PATH)
_FLAGS = ("-I", "-S", "-c")
# What acts import, and the codec that a look-up of a name loads.
_USED = (
    "__future__, collections.abc, contextlib, ctypes, encodings.idna, errno, json, mmap, os, platform, re, select, "
    "signal, socket, stat, struct, subprocess, sys, time, typing"
)
# Asks a fresh interpreter for everything that it has loaded.
_QUESTION = f"""
import {_USED}
modules = {{m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)}}
mapped = {{line.split()[-1] for line in open("/proc/self/maps") if "/" in line.split()[-1]}}
print(json.dumps([sorted(modules), sorted(mapped), os.path.realpath(sys.executable), sys.version_info[:2]]))
"""


def image_command(token: str, program: str, batch: str) -> list[str]:
    """The command for an image that has python3 and env."""
    return [*_IMAGE, "python3", *_FLAGS, program, batch, f"bulkhead-probe-{token}"]


def image_question(token: str) -> list[str]:
    """A command that succeeds where the image's python3 can run acts."""
    return [*_IMAGE, "python3", *_FLAGS, f"import {_USED}; print('fit')", f"bulkhead-probe-{token}"]


def carry(directory: Path) -> list[str]:
    """Copies the host's interpreter into a directory; returns the command inside, relative to it."""
    answer = subprocess.run([sys.executable, "-I", "-S", "-c", _QUESTION], capture_output=True, text=True, check=True)
    modules, mapped, executable, version = json.loads(answer.stdout)
    library = f"lib/python{version[0]}.{version[1]}"
    loader = [name for name in mapped if Path(name).name.startswith("ld-linux")]
    if not loader:
        raise WorkspaceError(
            f"cannot carry {executable} into a container: its loader is not among what it has mapped; use an image "
            "that has python3"
        )
    shared = [name for name in mapped if ".so" in Path(name).name and "lib-dynload" not in name]
    for source in [*shared, executable]:
        for name in _names(Path(source)):
            _copy(Path(source), directory / "bin" / name)
    for source in {*modules, *(name for name in mapped if "lib-dynload" in name)}:
        tail = Path(source).as_posix().partition(f"/python{version[0]}.{version[1]}/")[2]
        if tail:
            _copy(Path(source), directory / library / tail)
    (directory / library / "lib-dynload").mkdir(parents=True, exist_ok=True)
    return [f"bin/{Path(loader[0]).name}", "--library-path", "bin", f"bin/{Path(executable).name}"]


def carried_command(token: str, inside: str, relative: Sequence[str], program: str, batch: str) -> list[str]:
    """The command for an interpreter that was carried to the path `inside`. It finds its modules beside itself."""
    command = [part if part.startswith("--") else f"{inside}/{part}" for part in relative]
    return [*command, *_FLAGS, program, batch, f"bulkhead-probe-{token}"]


def _names(library: Path) -> set[str]:
    """The file's name, and those of links to it: programs ask for libz.so.1, and libz.so.1.2.13 is what is mapped."""
    stem = library.name.partition(".so")[0]
    links = {entry.name for entry in library.parent.glob(f"{stem}.so*") if entry.resolve() == library.resolve()}
    return {library.name, *links}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755)
