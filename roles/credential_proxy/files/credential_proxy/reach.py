# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a prompt has the provider reach: addresses that it would fetch, tools that it runs itself, files of S3.

Through any of these a container without a network would have one. Only structure counts, keys and types, at any
depth; texts say what they like. What a client's own tool was told, or takes, goes to the model as a text and is not
looked at.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from .prompt import Json, read_prompt
from .refusals import Refusal

_Pairs = tuple[tuple[str, Json], ...]

# A tool of Anthropic's has its date in its type, and any date counts.
_DATE_DIGITS: Final = 8
# Such tools that the client runs, tools that stay in the request, and edits of the context.
_SEARCHES: Final = ("tool_search_tool_bm25", "tool_search_tool_regex")
_HARMLESS: Final = frozenset(
    (
        *("bash", "text_editor", "computer", "computer_toolset", "browser_toolset", "memory", "advisor"),
        *("clear_tool_uses", "clear_thinking", "compact", *_SEARCHES),
    )
)
# Types without a date that an entry of a list of tools may have.
_PLAIN_TOOLS: Final = frozenset(("custom", "function", *_SEARCHES))
_SYSTEM_TOOLS: Final = {"nova_grounding": "web_search", "nova_code_interpreter": "code_execution"}
_ADDRESSES: Final = frozenset(("image_url", "video_url", "audio_url", "document_url", "file_url"))
# Keys under which either the data itself stands or an address of it.
_MEDIA: Final = frozenset(("image", "audio", "video", "input_audio"))
_ADDRESS: Final = re.compile(r"\s*+(?!data:)[a-z][a-z0-9+.-]{0,30}:", re.IGNORECASE)
_SERVERS: Final = frozenset(("mcp_servers", "server_url"))
# Keys whose texts say something, in some places.
_SPEAKING: Final = (
    _ADDRESSES | _SERVERS | _MEDIA | frozenset(("type", "url", "name", "fallbacks", "model", "body", "data"))
)
# Keys whose values are all text to the provider, by the key under which their object stands.
_SCHEMAS: Final = frozenset(("input_schema", "inputschema"))
_OPAQUE: Final = {
    "": _SCHEMAS | {"requestmetadata"},
    "function": _SCHEMAS | {"parameters"},
    "content": _SCHEMAS | {"json"},
    "tools": _SCHEMAS | {"input_examples"},
    **dict.fromkeys(("format", "output_format", "json_schema"), _SCHEMAS | {"schema"}),
}
_NESTED: Final = (tuple, list)


class Wishes:
    """What a prompt asks for: ``reach``, by the names of the configuration, and ``models`` beside the main one."""

    __slots__ = ("_left", "_unpacked", "models", "reach")

    def __init__(self, prompt: Json) -> None:
        """Look through all of it; what has been looked at is not kept."""
        self.reach: set[str] = set()
        self.models: set[str] = set()
        self._unpacked = False
        # Places with the key under which each stands; those of a list stand under the list's key.
        self._left: list[tuple[str, Json]] = [("", prompt)]
        while self._left:
            place, value = self._left.pop()
            if isinstance(value, tuple):
                self._object(place, value)
            elif isinstance(value, list):
                self._left += [(place, item) for item in value if isinstance(item, _NESTED)]
                if place == "fallbacks":
                    self.models.update(item for item in value if isinstance(item, str))

    def _object(self, place: str, pairs: _Pairs) -> None:
        """Note what one object asks for, and which places in it are to be looked at."""
        opaque = _OPAQUE.get(place, _SCHEMAS)
        is_call: bool | None = None
        for name, value in pairs:
            key = name.lower()
            if isinstance(value, _NESTED):
                if key in _SERVERS:
                    self._note("mcp", value)
                    continue
                if key == "input" and is_call is None:
                    is_call = _is_call(place, pairs)
                if key not in opaque and not (key == "input" and is_call):
                    self._left.append((key, value))
            elif key in _SPEAKING and isinstance(value, str):
                self._text(place, key, value)
            if key.startswith("s3"):
                self._note("s3", value)
            elif key == "web_search_options":
                self.reach.add("web_search")

    def _text(self, place: str, key: str, value: str) -> None:
        """Note what a text says by its key."""
        if key == "type":
            self._type(place, value.lower())
        elif key in _SERVERS:
            self._note("mcp", value)
        elif _is_address(place, key, value):
            self.reach.add("url_source")
        elif key == "name" and place == "systemtool":
            self.reach.add(_SYSTEM_TOOLS.get(value.lower(), "other_tools"))
        elif key == "fallbacks" or (key == "model" and place in ("fallbacks", "tools")):
            self.models.add(value)
        elif key == "body" and place == "invokemodel":
            # Bedrock counts the tokens of a body for another of its calls. More than one would be work without a bound.
            if self._unpacked:
                raise Refusal("body-json")
            self._unpacked = True
            self._left.append(("", read_prompt(_decoded(value))))

    def _type(self, place: str, kind: str) -> None:
        stem, _line, date = kind.rpartition("_")
        if kind == "url":
            # A server of mcp_servers has this type too, but is not looked at.
            self.reach.add("url_source")
        elif len(date) == _DATE_DIGITS and date.isdigit():
            if stem not in _HARMLESS:
                self.reach.add(_tool(stem))
        elif kind == "mcp_toolset" or (place == "tools" and kind not in _PLAIN_TOOLS):
            self.reach.add(_tool(kind))

    def _note(self, name: str, value: Json) -> None:
        """Note a wish, unless nothing is wished for."""
        if value not in (None, "", (), []):
            self.reach.add(name)


def _is_address(place: str, key: str, value: str) -> bool:
    """Tell whether a text is an address that the provider would fetch."""
    if key in _ADDRESSES or (key == "url" and (place == "source" or place in _ADDRESSES)):
        return bool(value) and value[:5].lower() != "data:"
    return (key in _MEDIA or (key == "data" and place in _MEDIA)) and _ADDRESS.match(value) is not None


def _tool(kind: str) -> str:
    """Name the wish of a tool by its type; there may be new ones tomorrow."""
    for name in ("web_search", "web_fetch", "code_execution", "mcp"):
        if kind.startswith(name):
            return name
    return "other_tools"


def _is_call(place: str, pairs: _Pairs) -> bool:
    """Tell whether an object is the call of a tool, and nothing else by another ``type``."""
    types = [value for name, value in pairs if name.lower() == "type"]
    called = [kind for kind in types if isinstance(kind, str) and kind.lower().endswith("tool_use")]
    return place == "tooluse" or (place == "content" and bool(types) and called == types)


def _decoded(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise Refusal("body-json") from None
