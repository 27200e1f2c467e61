# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Saves the files of a conversation before they are removed, with the code of workspace_archive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._archive.arguments import ARCHIVE
from .._archive.save import Saved, save
from .driver import Driver
from .errors import InvalidRequestError
from .parameters import typed


def save_first(driver: Driver, conversation_id: str, options: Mapping[str, Any], *, dry_run: bool) -> Saved:
    """Saves, or says what would be saved; raises WorkspaceError when it cannot be saved, which forbids the removal."""
    try:
        complete = typed({"type": "dict", "options": ARCHIVE}, options)
    except ValueError as error:
        raise InvalidRequestError(f"archive conversation {conversation_id}", [f"archive: {error}"]) from error
    return save(driver, conversation_id, complete, dry_run=dry_run)
