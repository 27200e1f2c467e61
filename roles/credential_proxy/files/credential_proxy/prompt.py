# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The body of a call that runs a model, read once, so that what it asks of the provider can be looked at.

Every such body is read, not only one in which a suspicious word stands: to search for the words takes as long as to
read (150 kB from Claude Code: 0.4 ms each way), and what is hidden from a search, such as UTF-16, is refused here.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Final

from .grammar import values
from .limits import PROMPT_PARTS
from .parts import parts_of
from .refusals import Refusal
from .request import RequestHead

Json = object
"""Parsed JSON in which an object is a tuple of pairs of key and value: a key given twice is seen twice. Characters
outside ASCII may stand as the bytes of their UTF-8 form; keys and words of the APIs have none."""

# Numbers are not needed, and thousands of long ones would take half a second: how long each is says enough.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=tuple, parse_int=len, parse_float=len)
_SLICE_BYTES: Final = 65536
_UTF8: Final = re.compile(rb';[ \t]*charset=("?)utf-?8\1[ \t]*(?=;|$)')


def check_form(head: RequestHead) -> None:
    """Refuse a body that the provider may have to decode first, by its head: the same bytes could be two prompts."""
    if any(value.lower() != b"identity" for value in values(head.fields, b"content-encoding")):
        raise Refusal("body-form")
    for value in values(head.fields, b"content-type"):
        if b"charset" in _UTF8.sub(b"", value.lower()):
            raise Refusal("body-form")


def read_prompt(body: bytes | bytearray) -> Json:
    """Parse a body; one that is no JSON in UTF-8, or has too many parts, is refused."""
    if len(body) > PROMPT_PARTS and parts_of(body, PROMPT_PARTS) > PROMPT_PARTS:
        raise Refusal("body-parts")
    try:
        if not body.isascii():
            _check_utf8(body)
        # One byte a character: as UTF-8, one emoji would make each of them take four.
        return _DECODER.decode(body.decode("latin-1"))
    except (ValueError, RecursionError):
        raise Refusal("body-json") from None


def _check_utf8(body: bytes | bytearray) -> None:
    """Decode piece by piece and forget; other programs may read bytes that are no UTF-8 as any character."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for at in range(0, len(body), _SLICE_BYTES):
        decoder.decode(body[at : at + _SLICE_BYTES])
    decoder.decode(b"", final=True)
