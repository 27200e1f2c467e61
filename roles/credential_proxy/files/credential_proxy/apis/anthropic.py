# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anthropic's API.

Files, batches, organisations and everything else are missing on purpose: /v1/files is a way to carry data out to
somebody else's account.
"""

from __future__ import annotations

import re
from typing import Final

from ..decision import Forward, LocalAnswer
from ..refusals import Refusal
from ..settings import Route

_QUERIES: Final = ("", "beta=true")
_MESSAGES: Final = ("/v1/messages", "/v1/messages/count_tokens")
# One model, and the pages of their list.
_MODEL: Final = re.compile(r"/v1/models/[A-Za-z0-9._-]*[A-Za-z0-9]")
_PAGE: Final = re.compile(r"(?:limit|after_id|before_id)=[A-Za-z0-9._-]{1,128}")
_METHODS: Final = {**dict.fromkeys(_MESSAGES, "POST"), "/v1/models": "GET", "/api/hello": "HEAD"}


def decide(method: str, path: str, mark: str, query: str, route: Route) -> Forward | LocalAnswer:
    """Allow a message, its token count, the list of models, and the clients' question whether anybody is there."""
    listing = path == "/v1/models"
    allowed = "GET" if _MODEL.fullmatch(path) else _METHODS.get(path)
    if allowed is None:
        raise Refusal("path")
    if method != allowed:
        raise Refusal("method", allow=allowed)
    asked = "&".join(part for part in query.split("&") if not (listing and _PAGE.fullmatch(part)))
    if asked not in _QUERIES or (mark and (not query or allowed == "HEAD")):
        raise Refusal("query")
    if allowed == "HEAD":
        return LocalAnswer(route)
    message = path in _MESSAGES
    return Forward(route, path + mark + query, asks_model=message, prompts=message, metered=path == "/v1/messages")
