# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ceph's gateway for the length of a block, beside the one that a scenario, the demo or another test may have."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from rgw import cluster


@contextlib.contextmanager
def gateway(state: Path) -> Iterator[cluster.Cluster]:
    """Started with its state in a directory that does not exist yet; inside, `cluster.age` means this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "STATE", state)
        try:
            yield cluster.up()
        finally:
            cluster.down()
