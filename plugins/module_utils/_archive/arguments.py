# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options -> checked settings. Note that this module util is PRIVATE to the collection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._s3.connection import Access
from .._s3.options import ACCESS, access, access_problems
from .._workspace import parse
from .._workspace.errors import InvalidRequestError

# Where archives lie and what may go there: the options of saving, here and in workspace_container.
ARCHIVE: dict[str, Any] = {
    "bucket": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": "workspaces/"},
    "size_limit": {"type": "str", "default": "5g"},
    "credentials_found": {"type": "str", "choices": ["refuse", "report"], "default": "refuse"},
    "compression_level": {"type": "int", "default": 3},
    **ACCESS,
}
RETRIEVALS = ("none", "expedited", "standard", "bulk")

_PREFIX = re.compile(r"(?:[A-Za-z0-9!_.*'()-]+/)*", re.ASCII)
HIGHEST_LEVEL = 19


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Checked options. `size_limit` in bytes, None for no limit."""

    bucket: str
    prefix: str
    access: Access
    size_limit: int | None
    refuse_credentials: bool
    compression_level: int


def settings(conversation_id: str, options: Mapping[str, Any]) -> Settings:
    """The options that `ARCHIVE` describes, or one error that lists all that is wrong with them."""
    problems = access_problems(options)
    limit = None
    for check in (lambda: parse.conversation_id(conversation_id), lambda: parse.size(options["size_limit"])):
        try:
            limit = check()
        except ValueError as error:
            problems.append(str(error))
    if not _PREFIX.fullmatch(options["prefix"]):
        problems.append(f"prefix {options['prefix']!r} must be empty or end with a slash, and not begin with one")
    if not 1 <= options["compression_level"] <= HIGHEST_LEVEL:
        problems.append(f"compression_level must be 1 to {HIGHEST_LEVEL}")
    if problems:
        raise InvalidRequestError(f"archive the workspace of conversation {conversation_id}", problems)
    return Settings(
        bucket=options["bucket"],
        prefix=options["prefix"],
        access=access(options),
        size_limit=limit if isinstance(limit, int) else None,
        refuse_credentials=options["credentials_found"] == "refuse",
        compression_level=options["compression_level"],
    )
