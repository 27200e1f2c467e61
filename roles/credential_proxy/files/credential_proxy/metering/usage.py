# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what an answer cost out of the answer, as its bytes pass: JSON, server-sent events, AWS event streams.

The figures are the API's own. Text of the model cannot forge them: it is inside JSON strings, and JSON is parsed. Nor
can objects of its making (the input of a tool): only figures in the outermost object count.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ..aws.event_stream import Frames
from ..grammar import Fields

_KEPT_BYTES: Final = 1024 * 1024
# Of a longer JSON answer only the end is kept: all APIs have the figures there, and few members behind them.
_END_BYTES: Final = 64 * 1024
_ENDS_TRIED: Final = 4
_WORDS: Final = (b'"usage"', b"invocationMetrics")
_NAMES: Final = {
    **dict.fromkeys(("input_tokens", "inputTokens", "inputTokenCount"), "input"),
    **dict.fromkeys(("output_tokens", "outputTokens", "outputTokenCount"), "output"),
    **dict.fromkeys(("cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount"), "cache_read"),
    **dict.fromkeys(
        ("cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount"), "cache_write"
    ),
}
_HEADERS: Final = {b"x-amzn-bedrock-input-token-count": "input", b"x-amzn-bedrock-output-token-count": "output"}
# What an answer took besides: the calls of an advisor and the summary of a long context stand in ``iterations`` alone.
_IN_THE_TOTALS: Final = ("message", "fallback_message")
_BYTES_A_TOKEN: Final = 4
_decode: Final = json.JSONDecoder().decode


@dataclass(slots=True)
class Usage:
    """Tokens of one answer; ``model`` is what the answer says, or empty.

    ``cache_write`` are all that were written to the cache, ``cache_write_1h`` those of them that stay for an hour.
    ``fast``: it ran in the dearer mode. ``others``: what other calls for the same answer took, which its figures leave
    out. ``estimated``: the answer did not end, or had no figures.
    """

    model: str = ""
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    fast: bool = False
    others: list[Usage] = field(default_factory=list)
    estimated: bool = False

    @property
    def tokens(self) -> int:
        """Return all tokens together."""
        return sum(self.counts().values())

    def counts(self) -> dict[str, int]:
        """Return the kinds of tokens that there are any of."""
        kinds = {"input": self.input, "output": self.output}
        kinds |= {"cache_read": self.cache_read, "cache_write": self.cache_write}
        for other in self.others:
            for name, count in other.counts().items():
                kinds[name] += count
        return {name: count for name, count in kinds.items() if count}

    def absorb(self, data: object) -> None:
        """Take figures out of a JSON object of any of the APIs; later ones are totals, so the larger figure counts."""
        if not isinstance(data, dict):
            return
        message = data.get("message")
        inner = message if isinstance(message, dict) else {}
        model = inner.get("model", data.get("model"))
        if isinstance(model, str) and not self.model:
            self.model = model[:128]
        for table in (data.get("usage"), inner.get("usage"), data.get("amazon-bedrock-invocationMetrics")):
            if isinstance(table, dict):
                for key, value in table.items():
                    if key in _NAMES:
                        self._raise_to(_NAMES[key], _count(value))
                    elif key == "cache_creation" and isinstance(value, dict):
                        self._absorb_creation(value)
                    elif key == "speed":
                        self.fast = self.fast or value == "fast"
                    elif key == "iterations" and isinstance(value, list):
                        self._absorb_iterations(value)

    def absorb_field(self, name: bytes, value: bytes) -> None:
        """Take a figure out of an answer's head."""
        if value.isdigit() and len(value) < 12:
            self._raise_to(_HEADERS[name], int(value))

    def estimate(self, bytes_in: int, bytes_out: int) -> None:
        """Charge an answer whose figures did not come: nobody gets tokens for nothing by hanging up."""
        self.estimated = True
        if not self.input + self.cache_read + self.cache_write:
            self.input = bytes_in // _BYTES_A_TOKEN
        self._raise_to("output", bytes_out // _BYTES_A_TOKEN)

    def _absorb_creation(self, table: dict[str, Any]) -> None:
        """Read how the tokens that went to the cache are divided; there are at least as many as are named."""
        self._raise_to("cache_write_1h", _count(table.get("ephemeral_1h_input_tokens")))
        self._raise_to("cache_write", self.cache_write_1h)

    def _absorb_iterations(self, entries: list[Any]) -> None:
        """Read the calls that the totals leave out; a later list of them is the longer one."""
        others = []
        for entry in entries:
            if isinstance(entry, dict) and entry.get("type") not in _IN_THE_TOTALS:
                other = Usage()
                figures = {name: value for name, value in entry.items() if name != "iterations"}
                other.absorb({"model": entry.get("model"), "usage": figures})
                others.append(other)
        if len(others) >= len(self.others):
            self.others = others

    def _raise_to(self, name: str, value: int) -> None:
        if value > getattr(self, name):
            setattr(self, name, value)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12 else 0


class Meter:
    """Fed with the decoded body of one answer."""

    __slots__ = ("_frames", "_kind", "_long", "_tail", "usage")

    def __init__(self, fields: Fields) -> None:
        """Choose the way of reading by the answer's type."""
        names = dict(fields)
        self._kind = names.get(b"content-type", b"").partition(b";")[0].strip().lower()
        self._tail = bytearray()
        self._long = False
        self._frames = Frames()
        self.usage = Usage()
        if not _HEADERS.keys().isdisjoint(names):
            for name, value in fields:
                if name in _HEADERS:
                    self.usage.absorb_field(name, value)

    def feed(self, data: bytes) -> None:
        """Look at a piece; most pieces of a stream hold no figures and are not looked at twice."""
        if self._kind == b"text/event-stream":
            if not self._tail and data.endswith(b"\n") and _WORDS[0] not in data:
                return
            for line in self._lines(data):
                if line.startswith(b"data:") and _WORDS[0] in line:
                    self._absorb_json(line[5:])
        elif self._kind == b"application/vnd.amazon.eventstream":
            for payload in self._frames.feed(data):
                self._absorb_event(payload)
        elif self._kind == b"application/json":
            self._tail += data
            if len(self._tail) > _KEPT_BYTES:
                self._long = True
                del self._tail[:-_END_BYTES]

    def finish(self) -> Usage:
        """Return the figures after the last piece."""
        if self._kind == b"application/json":
            if self._long:
                self._absorb_end(bytes(self._tail[-_END_BYTES:]))
            else:
                self._absorb_json(self._tail)
        return self.usage

    def _absorb_end(self, end: bytes) -> None:
        """Read the end of a JSON object.

        Only a member of the outermost object, with all that follows it, is an object again behind one brace.
        """
        at = len(end)
        for _turn in range(_ENDS_TRIED):
            at = end.rfind(_WORDS[0], 0, at)
            if at < 0:
                return
            self._absorb_json(b"{" + end[at:])

    def _lines(self, data: bytes) -> Iterator[bytes]:
        self._tail += data
        *lines, rest = self._tail.split(b"\n")
        self._tail = rest if len(rest) <= _KEPT_BYTES else bytearray()
        yield from map(bytes, lines)

    def _absorb_event(self, payload: bytes) -> None:
        """Read one event of Bedrock: either the figures, or a model's own event in base64."""
        if any(word in payload for word in _WORDS):
            self._absorb_json(payload)
        elif payload.startswith(b'{"bytes"') or b'"bytes":' in payload[: _BYTES_A_TOKEN * 64]:
            try:
                inner = base64.b64decode(json.loads(payload)["bytes"])
            except (ValueError, KeyError, TypeError):
                return
            if any(word in inner for word in _WORDS):
                self._absorb_json(inner)

    def _absorb_json(self, text: bytes | bytearray) -> None:
        data: Any
        try:
            data = _decode(text.decode())
        except (ValueError, RecursionError):
            return
        self.usage.absorb(data)
