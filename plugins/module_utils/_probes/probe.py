# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What a probe is: one forbidden act, and the defences that each stop it alone.

The act is a plain Python function in probes/. It uses nothing but the standard library and toolkit.py, and its source
is what travels into the container, together with that of all other acts of the run: one program, one exec.

A probe names every defence of ours that stops the act by itself. From that follows everything else: its control is a
plain `docker run` without those defences; and whichever set of defences is switched off, the act succeeds if and only
if the set holds all that the probe names. The mutation proof tries exactly this.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from . import toolkit

MEBIBYTE = 1024 * 1024
ROOT = "0:0"

# What not every supported host has: Surroundings.features. AppArmor 3 has no rule for user namespaces. Docker 20.10
# gives a program that root starts in a container made for another user no capability, only the bounding set.
APPARMOR_4, WHOLE_ROOT = "AppArmor 4", "root with capabilities"

Figures = Mapping[str, Any]
Act = Callable[[Figures], toolkit.Outcome]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The figures that acts are measured from: the container's limits, what the host can bear, who answers there."""

    user: str
    capabilities: tuple[str, ...] = ()
    pids: int | None = None
    memory: int | None = None
    cpu: float | None = None
    volumes: Mapping[str, int | None] = field(default_factory=dict)
    tmpfs: Mapping[str, int | None] = field(default_factory=dict)
    # How many files each volume may hold.
    files: Mapping[str, int | None] = field(default_factory=dict)
    host_name: str = ""
    host_cpus: int = 1
    host_memory: int = 0
    host_disk: int = 0
    host_swap: int = 0
    metadata_answers: bool = False
    # The stand-ins on the host: see standins.py.
    token: str = ""
    tcp: tuple[str, int] = ("127.0.0.1", 0)
    udp: tuple[str, int] = ("127.0.0.1", 0)
    abstract: str = ""
    proxy: bool = True
    # Those of the features that probes speak of that this host has.
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Impossible:
    """Why an act cannot be tried here, for example because the container has no such limit."""

    reason: str


# In quotes, since the sanity tests read it as a Python that had no such union yet.
Measure = Callable[[Surroundings], "Figures | Impossible"]


def no_figures(_surroundings: Surroundings) -> Figures | Impossible:
    """For acts that need no figures."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One attack."""

    id: str
    layer: str
    title: str
    act: Act
    # Each of them stops the act by itself; ids of defences.py.
    defences: tuple[str, ...]
    references: tuple[str, ...]
    # Of the defences, those that stop the act only where the host has a feature: id to feature.
    needs: Mapping[str, str] = field(default_factory=dict)
    figures: Measure = no_figures
    # Constants for an act that several probes share.
    arguments: Figures = field(default_factory=dict)
    # Empty means the user that the container was made for, "default" whoever the container starts programs as.
    user: str = ""
    # Another user in the control, where whom the act is aimed at belongs to somebody else.
    control_user: str = ""
    # Bounds the act in seconds, inside; the run is bounded from outside as well.
    timeout: int = 10
    # Changes the process that it runs in, so nothing else may run there afterwards.
    alone: bool = False
    # Ends in the kernel that answers: nothing of the host is reached where that is another one. All of L2 does.
    inward: bool = False
    # Uses up much of a limit: run after the others, one at a time.
    heavy: bool = False

    def here(self, surroundings: Surroundings) -> Probe:
        """The probe as it is on this host: without defences that the host cannot have, and with one more where root has
        to gain the capabilities that the act takes, which no-new-privileges refuses.
        """
        have = [name for name in self.defences if self.needs.get(name) in {None, *surroundings.features}]
        gains = "capabilities" in have and self.user == ROOT and WHOLE_ROOT not in surroundings.features
        if gains and "no_new_privileges" not in have:
            have.append("no_new_privileges")
        return replace(self, defences=tuple(have))

    def measured(self, surroundings: Surroundings) -> Figures | Impossible:
        """The figures of the act, its constants included."""
        figures = self.figures(surroundings)
        return figures if isinstance(figures, Impossible) else {**self.arguments, **figures}


def program(probes: Iterable[Probe]) -> str:
    """The source that runs the acts of these probes."""
    acts = {probe.act.__name__: probe.act for probe in probes}
    parts = [inspect.getsource(toolkit), *(inspect.getsource(act) for act in acts.values()), "perform_batch()\n"]
    return "\n\n".join(parts)
