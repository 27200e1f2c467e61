# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error of saving and restoring. Note that this module util is PRIVATE to the collection."""

from __future__ import annotations

from .._workspace.errors import WorkspaceError


class ArchiveError(WorkspaceError):
    """One failure, worded "cannot ACT OBJECT: cause; what to do". Nothing was taken for saved or restored."""
