# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every probe is complete, its act can travel, and every defence is guarded."""

from __future__ import annotations

import builtins
import dis
import importlib
import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes import apparmor, toolkit
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes import probe as probes
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.catalogue import PROBES
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.defences import DEFENCES, closed_over
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.probe import Impossible, Probe, Surroundings

GIB = 1 << 30
SURROUNDINGS = Surroundings(
    user="1000:1000",
    capabilities=("CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"),
    pids=256,
    memory=2 * GIB,
    cpu=2.0,
    volumes={"/workspace": 4 * GIB, "/opt/venv": GIB},
    tmpfs=dict.fromkeys(("/tmp", "/var/tmp", "/run", "/home/appuser", "/home/appuser/.cache", "/dev/shm"), GIB >> 2),
    files={"/opt/venv": 1000},
    host_name="host",
    host_cpus=8,
    host_memory=16 * GIB,
    host_disk=64 * GIB,
    host_swap=GIB,
    metadata_answers=True,
    token="t",  # noqa: S106
)
ALL = pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)


def test_there_are_more_than_the_sixty_that_were_promised() -> None:
    assert len(PROBES) >= 60


def test_every_file_is_in_the_catalogue() -> None:
    package = "ansible_collections.bulkhead.workspace.plugins.module_utils._probes.probes"
    folder = Path(inspect.getfile(probes)).parent / "probes"
    found = {
        entry.id for file in folder.glob("*.py") for entry in importlib.import_module(f"{package}.{file.stem}").PROBES
    }
    assert found == set(PROBES)


@ALL
def test_a_probe_is_complete(probe: Probe) -> None:
    assert probe.layer in {"L1", "L2", "L3", "L4", "L5", "L6", "L7"}
    assert probe.title and probe.references and probe.defences
    assert set(probe.defences) <= set(DEFENCES)
    assert not isinstance(probe.measured(SURROUNDINGS), Impossible)
    assert inspect.getdoc(probe.act)


@ALL
def test_an_act_uses_only_what_travels_with_it(probe: Probe) -> None:
    known = set(vars(toolkit)) | set(vars(builtins))
    codes = [probe.act.__code__]
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if inspect.iscode(constant)]
        used = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        assert used <= known


def test_the_whole_program_fits_into_one_argument() -> None:
    source = probes.program(PROBES.values())
    compile(source, "probes", "exec")
    # MAX_ARG_STRLEN of the kernel is 128 KiB.
    assert len(source.encode()) < 100_000


def test_every_defence_is_guarded_by_a_probe() -> None:
    guarded = {name for probe in PROBES.values() for name in probe.defences}
    assert guarded == set(DEFENCES)


def test_what_goes_off_together_is_known() -> None:
    assert closed_over(["network_none"]) == {"network_none", "userns"}
    assert closed_over(["seccomp"]) == {"seccomp"}


def test_a_defence_that_this_host_cannot_have_does_not_count_here() -> None:
    newer = replace(SURROUNDINGS, features=frozenset({probes.APPARMOR_4, probes.WHOLE_ROOT}))
    assert all(probe.here(newer) == probe for probe in PROBES.values())
    assert PROBES["unshare_user"].here(SURROUNDINGS).defences == ("seccomp",)
    assert all(set(entry.needs) < set(entry.defences) for entry in PROBES.values() if entry.needs)


def test_where_root_begins_without_capabilities_it_must_not_gain_them() -> None:
    assert PROBES["chroot"].here(SURROUNDINGS).defences == (*PROBES["chroot"].defences, "no_new_privileges")
    for name in ("root_write", "setuid_program", "fork_bomb"):
        assert PROBES[name].here(SURROUNDINGS) == PROBES[name]


def test_the_kernel_s_answer_about_a_profile_is_read() -> None:
    # As Linux 7.2 gave them for profiles that AppArmor 3 and 4 compiled.
    assert apparmor.allowed("allow 0xffffffff\ndeny 0x00000000\naudit 0x00000000\nquiet 0xffffffff\n") == 0xFFFFFFFF
    assert apparmor.allowed("allow 0x00000000\ndeny 0x00000008\naudit 0x00000008\nquiet 0x00000000\n") == 0
    assert not apparmor.refuses_user_namespaces("no-such-profile")


def test_what_cannot_be_tried_says_why() -> None:
    bare = Surroundings(user="1000:1000", proxy=False)
    skipped = {
        name: found.reason for name, probe in PROBES.items() if isinstance(found := probe.measured(bare), Impossible)
    }
    assert {"fork_bomb", "memory_hog", "swap_use", "cpu_hog", "disk_fill", "fill_tmp", "metadata_contact"} <= set(
        skipped
    )
    assert all(skipped.values())


def test_figures_go_beyond_the_limits_that_the_container_has() -> None:
    assert PROBES["fork_bomb"].measured(SURROUNDINGS) == {"children": 320}
    assert PROBES["memory_hog"].measured(SURROUNDINGS) == {"bytes": 2 * GIB + (128 << 20)}
    filled = PROBES["disk_fill"].measured(SURROUNDINGS)
    assert filled == {"directory": "/workspace", "bytes": 4 * GIB + (32 << 20)}


def perform(names: dict[str, dict[str, object]]) -> list[str]:
    """Runs acts as a container would, on this machine; only acts that do no harm without a container."""
    import json

    batch = [
        {
            "id": name,
            "act": PROBES[name].act.__name__,
            "figures": {**PROBES[name].arguments, **figures},
            "timeout": 10,
            "alone": False,
        }
        for name, figures in names.items()
    ]
    source = probes.program(PROBES[name] for name in names)
    command = [sys.executable, "-I", "-S", "-c", source, json.dumps(batch), "bulkhead-probe-unit"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def test_acts_succeed_where_nothing_defends(tmp_path: Path) -> None:
    import json

    directory = str(tmp_path)
    lines = perform(
        {
            "fork_bomb": {"children": 5},
            "memory_hog": {"bytes": 32 << 20},
            "cpu_hog": {"children": 1, "seconds": 0.3, "allowed": 0.001},
            "fill_tmp": {"directory": directory, "bytes": 3 << 20},
            "inodes_opt_venv": {"directory": directory, "files": 20},
            "exec_tmp": {"directory": directory},
            "map_tmp": {"directory": directory},
            "root_write": {"directories": [directory]},
        }
    )
    assert "kernel" in json.loads(lines[0])
    told = {entry["id"]: entry["outcome"] for entry in map(json.loads, lines[1:])}
    assert set(told.values()) == {"succeeded"}, lines
    assert list(tmp_path.iterdir()) == []


def test_an_act_that_hangs_or_dies_does_not_take_the_others_along() -> None:
    import json

    program = (
        inspect.getsource(toolkit)
        + """
def hang(f): time.sleep(20)
def die(f): os.kill(os.getpid(), 31)
def stumble(f): return 1 / 0
def miss(f): return tried("it", lambda: os.open("/nowhere", 0))
def change(f): os.environ["CHANGED"] = "1"; return SUCCEEDED, "changed"
def look(f): return (SUCCEEDED, "seen") if "CHANGED" in os.environ else (REFUSED, "not seen")
names = ["die", "hang", "stumble", "miss", "change", "look", "die"]
for line in run_acts([{"id": n, "act": n, "figures": {}, "timeout": 0.1, "alone": n == "change"} for n in names]):
    print(line)
"""
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    told = [(entry["id"], entry["outcome"]) for entry in map(json.loads, done.stdout.splitlines())]
    assert told == [
        ("die", "refused"),
        ("hang", "failed"),
        ("stumble", "failed"),
        ("miss", "unsupported"),
        ("change", "succeeded"),
        ("look", "refused"),
        ("die", "refused"),
    ]
