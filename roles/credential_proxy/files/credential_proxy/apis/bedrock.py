# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Amazon Bedrock: the runtime, which answers prompts, and the part of the control plane that lists models."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from ..decision import Forward
from ..refusals import Refusal
from ..settings import Route

# A model's id or ARN in one path segment, as the SDKs write it: ``:`` and ``/`` bare or encoded once.
_MODEL: Final = r"((?:[A-Za-z0-9._:-]|%3[Aa]|%2[Ff])+)"
_RUNTIME: Final = re.compile(
    rf"/model/{_MODEL}/(invoke|invoke-with-response-stream|converse|converse-stream|count-tokens)"
)
_CONTROL: Final = re.compile(rf"/(?:foundation-models|inference-profiles)(?:/{_MODEL})?")
_QUERY: Final = re.compile(r"[A-Za-z0-9_.%=&-]{0,512}")
_BARE_ARN: Final = re.compile(r"/model/(?=[^?]*/)(arn:[^?]*)/(invoke[a-z-]*|converse[a-z-]*|count-tokens)")


def decide_runtime(method: str, path: str, mark: str, _query: str, route: Route) -> Forward:
    """Allow the five calls that take a prompt; the model is the one that the path names."""
    match = _RUNTIME.fullmatch(path)
    if match is None:
        raise Refusal("bedrock-model" if _BARE_ARN.fullmatch(path) else "path")
    if method != "POST":
        raise Refusal("method", allow="POST")
    if mark:
        raise Refusal("query")
    return Forward(route, path, model=_model(match[1]), prompts=True, metered=match[2] != "count-tokens")


def decide_control(method: str, path: str, mark: str, query: str, route: Route) -> Forward:
    """Allow lists of models and inference profiles, and one entry of them."""
    match = _CONTROL.fullmatch(path)
    if match is None or (match[1] and _is_dots(match[1])):
        raise Refusal("path")
    if method != "GET":
        raise Refusal("method", allow="GET")
    if not _QUERY.fullmatch(query):
        raise Refusal("query")
    return Forward(route, path + mark + query)


def _model(text: str) -> str:
    """Decode a model's name once; what then still looks like a path is not one."""
    if _is_dots(text):
        raise Refusal("path")
    return unquote(text)


def _is_dots(text: str) -> bool:
    return any(part in ("", ".", "..") for part in unquote(text).split("/"))
