# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The errors of the workspace modules. Raised inside, turned into one fail_json at the module's edge."""

from __future__ import annotations

from collections.abc import Sequence


class WorkspaceError(Exception):
    """One failure, worded "cannot ACT OBJECT: cause; what to do"."""


class InvalidRequestError(WorkspaceError):
    """Everything that is wrong with a request, found before anything was changed."""

    def __init__(self, act: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        several = len(self.problems) > 1
        listed = "".join(f"\n  - {problem}" for problem in problems) if several else self.problems[0]
        super().__init__(f"cannot {act}: {listed}")


class LayerNotInForceError(WorkspaceError):
    """A required layer is not in force according to the kernel."""

    def __init__(self, message: str, layers: dict[str, dict[str, str]]) -> None:
        self.layers = layers
        super().__init__(message)
