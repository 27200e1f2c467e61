# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What a caller wants: one conversation, the state it shall be in, and how far a run may go for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import InvalidRequestError
from .parameters import typed_options
from .request import build_request
from .specification import Request

# Stands for the image where none is needed: for the removal of a conversation.
_NO_IMAGE = "absent"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One conversation as it shall be."""

    request: Request
    state: str
    recreate: bool = False
    required_layers: tuple[str, ...] = ()
    secret_files: tuple[str, ...] = ()
    start_timeout: float = 30
    # Where the files go before they are removed; options of workspace_archive.
    archive: Mapping[str, Any] | None = None

    @property
    def conversation_id(self) -> str:
        """The conversation."""
        return self.request.conversation_id


def build_wish(params: Mapping[str, Any]) -> Wish:
    """Reads complete options (every name of parameters.ARGUMENTS); raises one error with all that is wrong."""
    gone = params["state"] == "absent"
    required = () if gone else tuple(params["required_layers"])
    image = params["image"] if params["image"] is not None or not gone else _NO_IMAGE
    return Wish(
        request=build_request({**params, "image": image}, required),
        state=params["state"],
        recreate=params["recreate"],
        required_layers=required,
        secret_files=tuple(params["secret_files"]),
        start_timeout=params["start_timeout"],
        archive=params["archive"] if gone else None,
    )


def build_wishes(common: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> list[Wish]:
    """Reads a batch: each entry has its own options over the common ones. All problems of all entries come at once."""
    wishes: list[Wish] = []
    problems: list[str] = []
    for index, entry in enumerate(entries):
        where = f"workspaces[{index}]"
        own, wrong = typed_options(entry)
        if entry.get("conversation_id") is None:
            wrong.append("conversation_id: is missing")
        if "archive" in entry:
            # It may hold a key, which only an option of the task keeps out of Ansible's output.
            wrong.append("archive: is given once for all, as an option of the task")
        if not wrong:
            try:
                wishes.append(build_wish({**common, **{key: value for key, value in own.items() if value is not None}}))
            except InvalidRequestError as error:
                wrong += error.problems
        problems += [f"{where}.{problem}" for problem in wrong]
    seen: set[str] = set()
    for wish in wishes:
        if wish.conversation_id in seen:
            problems.append(f"workspaces: conversation {wish.conversation_id} is listed twice")
        seen.add(wish.conversation_id)
    if problems:
        raise InvalidRequestError("describe the workspaces", problems)
    return wishes
