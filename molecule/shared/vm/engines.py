# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three ways to run one image: their command lines, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vm.bake import Image
from vm.shell import run

GUEST_ADDRESS = "10.0.2.15"
HOST_ADDRESS = "10.0.2.2"
TAP = "tap0"


@dataclass(frozen=True)
class Machine:
    """The facts of a machine that an engine needs.

    :ivar disk: a file that the machine sees as a second, read-only disk, or None.
    """

    folder: Path
    port: int
    memory_mib: int
    cpu: int
    disk: Path | None = None

    @property
    def overlay(self) -> Path:
        """What this machine writes; the image below stays as it was."""
        return self.folder / "overlay"


@dataclass(frozen=True)
class Engine:
    """One way to run an image.

    :ivar in_namespace: runs in a network namespace of its own, behind a relay; else the engine forwards the port.
    :ivar overlay: makes the copy-on-write disk of a machine.
    :ivar command: the command line of a machine.
    :ivar probe: a command line that boots the kernel without a disk; the engine works if the kernel misses it.
    """

    name: str
    in_namespace: bool
    overlay: Callable[[Image, Machine], None]
    command: Callable[[Image, Machine], Sequence[str]]
    probe: Callable[[Image], Sequence[str]]


def _qcow_overlay(image: Image, machine: Machine) -> None:
    backing = ["-b", str(image.disk), "-F", "raw"]
    run("make the overlay", ["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(machine.overlay)])


def _no_overlay(_image: Image, machine: Machine) -> None:
    """User-mode Linux makes its copy-on-write file itself."""
    machine.overlay.unlink(missing_ok=True)


def _qemu(accelerator: Sequence[str]) -> Callable[[Image, Machine], Sequence[str]]:
    def command(image: Image, machine: Machine) -> Sequence[str]:
        return [
            "qemu-system-x86_64",
            *accelerator,
            *("-m", str(machine.memory_mib), "-smp", "2"),
            *("-nodefaults", "-display", "none", "-serial", "stdio", "-device", "virtio-rng-pci"),
            *("-kernel", str(image.kernel), "-initrd", str(image.initrd)),
            *("-append", "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=1"),
            *("-drive", f"file={machine.overlay},format=qcow2,if=virtio,cache=unsafe"),
            *(("-drive", f"file={machine.disk},format=raw,if=virtio,readonly=on") if machine.disk else ()),
            *("-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{machine.port}-:22"),
            *("-device", "virtio-net-pci,netdev=n0,romfile="),
        ]

    return command


def _qemu_probe(accelerator: Sequence[str]) -> Callable[[Image], Sequence[str]]:
    def command(image: Image) -> Sequence[str]:
        return [
            *("qemu-system-x86_64", *accelerator, "-m", "512", "-nodefaults", "-display", "none", "-no-reboot"),
            *("-serial", "stdio", "-kernel", str(image.kernel), "-append", "console=ttyS0 panic=-1"),
        ]

    return command


def _in_uml_runtime(image: Image, *visible: str) -> list[str]:
    """A root of its own gives the binary its C library; a process namespace of its own ends every helper with it."""
    usr = str(image.uml_runtime / "usr")
    return [
        *("bwrap", "--die-with-parent", "--unshare-pid", "--tmpfs", "/", "--proc", "/proc", "--tmpfs", "/tmp"),
        *("--dev-bind", "/dev", "/dev", "--bind", "/dev/shm", "/dev/shm", "--setenv", "TMPDIR", "/dev/shm"),
        *("--ro-bind", usr, "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"),
        *visible,
        *("--", "/usr/bin/linux.uml", "con0=fd:0,fd:1", "con=null", "ssl=null", "uml_dir=/tmp/", "umid=vm"),
    ]


def _uml(image: Image, machine: Machine) -> Sequence[str]:
    folders = [f"{image.folder}", f"{machine.folder}"]
    disk = f"{machine.disk}" if machine.disk else None
    return [
        # Kernel and guest processes take turns tens of thousands of times a second. Spread over processors that fall
        # idle in between, each turn wakes a sleeping one, and everything takes half as long again.
        *("taskset", "--cpu-list", str(machine.cpu)),
        *_in_uml_runtime(
            image,
            *("--ro-bind", folders[0], folders[0], "--bind", folders[1], folders[1]),
            *(("--ro-bind", disk, disk) if disk else ()),
        ),
        *(f"mem={machine.memory_mib}M", f"ubda={machine.overlay},{image.disk}", "root=/dev/ubda", "rw"),
        *((f"ubdbr={disk}",) if disk else ()),
        f"vec0:transport=tap,ifname={TAP},depth=128,gro=1",
        # A reboot in place would find its own tap still open; it exits instead, and the supervisor starts it again.
        *("lsm=landlock,yama,apparmor", "noreboot"),
    ]


def _uml_probe(image: Image) -> Sequence[str]:
    return [*_in_uml_runtime(image), "mem=256M", "root=/dev/none", "panic=-1"]


_KVM = ("-accel", "kvm", "-cpu", "host")
# cx16 off: with two virtual processors Debian 13's kernel dies in __kmalloc under QEMU 7.2's emulation of cmpxchg16b.
_TCG = ("-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max,-cx16")

# Fastest first.
ENGINES = (
    Engine("kvm", False, _qcow_overlay, _qemu(_KVM), _qemu_probe(_KVM)),
    Engine("uml", True, _no_overlay, _uml, _uml_probe),
    Engine("tcg", False, _qcow_overlay, _qemu(_TCG), _qemu_probe(_TCG)),
)
