# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret that does not show itself, and the scanner that finds it in an answer."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

from .refusals import Refusal

# Visible ASCII: nothing that could end a header line. Short values would turn up in answers by chance.
_ACCEPTABLE: Final = re.compile(rb"[\x21-\x7e]{16,4096}")


class Secret:
    """A credential; printing, formatting and repr give ``***``, copying into a pickle is refused."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        """Take the file's content, less the line end that editors add."""
        value = value.removesuffix(b"\n").removesuffix(b"\r")
        if not _ACCEPTABLE.fullmatch(value):
            raise ValueError("it must be 16 to 4096 visible ASCII characters on one line")
        self._value = value

    def reveal(self) -> bytes:
        """Give the value to the two places that need it: the injected header and the scanner."""
        return self._value

    def __repr__(self) -> str:
        """Never show the value."""
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        """Never show the value."""
        return "***"

    def __reduce__(self) -> str:
        """Never serialise the value."""
        raise TypeError("a secret is not serialised")


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """What signs requests to AWS; ``expires`` is a Unix time, None for keys that do not expire."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None
    expires: float | None = None


Credential = Secret | AwsKeys


def needles(credential: Credential | None, auth: str) -> tuple[bytes, ...]:
    """Return every text that must never turn up in an answer, for the way in which the route sends its credential."""
    if credential is None:
        return ()
    if isinstance(credential, Secret):
        if auth == "basic":
            # Who quotes the field that it got quotes base64, with its padding or without.
            return (credential.reveal(), base64.b64encode(credential.reveal()).rstrip(b"="))
        return (credential.reveal(),)
    token = credential.session_token
    return (credential.secret_access_key.reveal(), *([token.reveal()] if token is not None else []))


class EchoScanner:
    """Passes bytes on, but never the last byte of a secret: a match over any split of the stream is found.

    Only a tail that could be the beginning of a secret is held back; server-sent events end in a line feed, which a
    secret cannot hold, so they pass at once.
    """

    __slots__ = ("_held", "_needles")

    def __init__(self, needles: tuple[bytes, ...]) -> None:
        """Search for the bytes as they are injected."""
        self._needles = needles
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what may pass now; refuse when a secret is in the stream."""
        if self._held:
            data = self._held + data
            self._held = b""
        keep = 0
        for needle in self._needles:
            if needle in data:
                raise Refusal("secret-echo")
            if data and data[-1] in needle:
                keep = max(keep, _possible_start(needle, data))
        if keep:
            self._held = data[-keep:]
            data = data[:-keep]
        return data

    def flush(self) -> bytes:
        """Return the held tail at the end of the stream, where it can no longer become a secret."""
        held, self._held = self._held, b""
        return held


def _possible_start(needle: bytes, data: bytes) -> int:
    """Return the length of the longest tail of data that the needle starts with."""
    start = max(0, len(data) - len(needle) + 1)
    at = data.find(needle[:1], start)
    while at >= 0:
        if needle.startswith(data[at:]):
            return len(data) - at
        at = data.find(needle[:1], at + 1)
    return 0
