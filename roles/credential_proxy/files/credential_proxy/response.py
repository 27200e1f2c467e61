# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers: checked, stripped, searched for the secret and framed anew, each piece as soon as it arrives."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from . import grammar
from .bodies import Body, ChunkedBody, EndlessBody, LengthBody
from .held_page import HeldPage
from .limits import PAGE_BYTES, SHORT_HEAD_BYTES
from .observation import UNOBSERVED, Observer
from .refusals import Refusal
from .secret import EchoScanner

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")

# Hop-by-hop fields, fields that would tie the client to the upstream or to the account behind the secret, and the offer
# of parts, for which indexes are never asked.
_DROPPED: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authentication-info proxy-connection te trailer transfer-encoding "
    b"upgrade content-length set-cookie set-cookie2 alt-svc anthropic-organization-id accept-ranges".split()
)


# What describes the upstream's form of an answer, which a rewritten one no longer has.
_OF_THE_ORIGINAL: Final = frozenset((b"content-type", b"etag", b"last-modified", b"content-md5", b"digest"))


@dataclass(slots=True)
class ResponseHead:
    """One checked answer head; ``begin`` is the client's status line, ``names`` are the fields by name.

    Lines of a ``short`` one may be remembered.
    """

    status: int
    begin: bytes
    lines: list[bytes]
    fields: grammar.Fields
    names: dict[bytes, bytes]
    persistent: bool
    options: frozenset[bytes]
    short: bool


def parse_response(head: bytes) -> ResponseHead:
    """Check a head's syntax; HTTP/1.0 answers are read, but their connection is not used again."""
    lines = grammar.lines_of(head)
    status, begin, persistent = _status(lines.pop(0))
    fields = grammar.parse_fields(lines)
    names = dict(fields)
    options = grammar.connection_options(fields, names)
    persistent = persistent and b"close" not in options
    return ResponseHead(status, begin, lines, fields, names, persistent, options, len(head) <= SHORT_HEAD_BYTES)


@lru_cache(maxsize=64)
def _status(line: bytes) -> tuple[int, bytes, bool]:
    """Read the status; return it, the client's status line, and whether the connection may be used again."""
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise Refusal("upstream-answer", detail="status line")
    return int(match[1]), b"HTTP/1.1 %b %b\r\n" % (match[1], match[2] or b""), line.startswith(b"HTTP/1.1")


def _passing(line: bytes) -> bytes:
    """Return a field's line as the client gets it, which may be nothing."""
    return b"" if line.partition(b":")[0].lower() in _DROPPED else line + b"\r\n"


# Most lines of an answer are those of the answer before; at most two MiB are remembered.
_known_passing = lru_cache(maxsize=512)(_passing)


class ResponseRelay:
    """Turns the upstream's bytes into the client's bytes for one exchange.

    A refusal before ``started`` can still become a proper answer; after it, only a cut connection tells the truth.
    """

    __slots__ = (
        *("close", "status", "complete", "page", "_method", "_scanner", "_needles", "_observer", "_left_over"),
        *("_scanned", "_body", "_head", "_chunked", "_persistent"),
    )

    def __init__(
        self, method: str, needles: tuple[bytes, ...], observer: Observer = UNOBSERVED, *, close: bool = True
    ) -> None:
        """Prepare for the answer to one request; close: tell the client that the connection ends with it."""
        self._method = method
        self._scanner = EchoScanner(needles) if needles else None
        self._needles = needles
        self._observer = observer
        self.close = close
        self._left_over = b""
        self._scanned = 0
        self._body: Body | None = None
        self._head: ResponseHead | None = None
        # An answer that is rewritten as a whole; whoever feeds this calls ``rewrite`` then.
        self.page: HeldPage | None = None
        self._chunked = False
        self._persistent = True
        self.status = 0
        self.complete = False

    @property
    def started(self) -> bool:
        """Tell whether the head has been passed on."""
        return self.status != 0

    @property
    def reusable(self) -> bool:
        """Tell whether the upstream connection is clean for another request."""
        return self.complete and self._persistent and not self._left_over

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the upstream and return what the client gets now."""
        if self._left_over:
            data, self._left_over = self._left_over + data, b""
        try:
            return self._begin(data) if self._body is None else self._go_on(data)
        except Refusal as refusal:
            raise _as_upstream_fault(refusal) from None

    def end(self) -> bytes:
        """Take the end of the upstream connection, which completes only a body without a length."""
        self._persistent = False
        if not isinstance(self._body, EndlessBody):
            raise Refusal("upstream-cut")
        self._body.complete = True
        return self._frame(b"")

    def rewrite(self, hold: Callable[[int], None]) -> None:
        """Put the client's whole answer into ``page`` once that is complete.

        ``hold`` is told how many bytes there are, and may refuse them. Until this the client has got nothing, so that
        whatever is wrong can still be answered.
        """
        page = self.page
        assert page is not None
        assert self._body is not None
        assert self._head is not None
        hold(len(page.arrived))
        if not self._body.complete:
            return
        try:
            kind, body = self._observer.rewrite(page.take())
        except Refusal as refusal:
            raise _as_upstream_fault(refusal) from None
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            # Whatever stands in a page, the client gets an answer.
            raise Refusal("upstream-answer", detail=f"{type(error).__name__} in a page") from error
        framing = f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n".encode("latin-1")
        answer = self._client_head(self._head, framing, without=_OF_THE_ORIGINAL) + body
        hold(len(answer))
        page.put(answer)
        self.status = self._head.status
        self.complete = True

    def _begin(self, data: bytes) -> bytes:
        """Read heads until the one that an answer begins with, and what is there of its body."""
        while True:
            taken = grammar.take_head(data, self._scanned)
            if taken is None:
                self._left_over, self._scanned = data, len(data)
                return b""
            self._scanned = 0
            text, data = taken
            for needle in self._needles:
                if needle in text:
                    raise Refusal("secret-echo")
            head = parse_response(text)
            if head.status == 101:
                raise Refusal("upstream-answer", detail="it switched protocols")
            if head.status >= 200:
                break
        out = self._start(head)
        if self.complete:
            self._left_over = data
            return out
        return out + self._go_on(data)

    def _go_on(self, data: bytes) -> bytes:
        assert self._body is not None
        content, self._left_over = self._body.take(data)
        return self._frame(content)

    def _start(self, head: ResponseHead) -> bytes:
        """Decide the framing and return the client's head."""
        fields, names = head.fields, head.names
        if b"content-encoding" in names and names[b"content-encoding"].lower() != b"identity":
            raise Refusal("upstream-encoding")
        length = grammar.body_length(fields, names)
        self._head = head
        self._persistent = head.persistent
        rewritten = self._observer.begin(head.status, fields)
        framing: bytes
        if self._method == "HEAD" or head.status in (204, 304):
            self._body = LengthBody(0)
            framing = (
                b"content-length: %d\r\n" % length if length is not None and length >= 0 and not rewritten else b""
            )
        elif length is None or length == grammar.CHUNKED:
            self._body = EndlessBody() if length is None else ChunkedBody(trusted=True)
            self._chunked = True
            framing = b"transfer-encoding: chunked\r\n"
        else:
            self._body = LengthBody(length)
            framing = b"content-length: %d\r\n" % length
        if rewritten and self._method != "HEAD":
            self._chunked = False
            self.page = HeldPage()
            return b""
        self.status = head.status
        self.complete = self._body.complete
        return self._client_head(head, framing)

    def _client_head(self, head: ResponseHead, framing: bytes, *, without: frozenset[bytes] = frozenset()) -> bytes:
        lines = head.lines
        if head.options:
            without |= head.options - _DROPPED
        if without:
            lines = [line for line, (name, _value) in zip(lines, head.fields, strict=True) if name not in without]
        end = b"connection: close\r\n\r\n" if self.close else b"\r\n"
        return b"".join([head.begin, *map(_known_passing if head.short else _passing, lines), framing, end])

    def _frame(self, data: bytes) -> bytes:
        """Search a piece of body and frame what may pass."""
        assert self._body is not None
        complete = self._body.complete
        if self._scanner is not None:
            data = self._scanner.feed(data)
            if complete:
                data += self._scanner.flush()
        self._observer.feed(data)
        if self.page is not None:
            self.page.arrived += data
            if len(self.page.arrived) > PAGE_BYTES:
                raise Refusal("upstream-size")
            return b""
        self.complete = complete
        if not self._chunked:
            return data
        out = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return out + b"0\r\n\r\n" if complete else out


def _as_upstream_fault(refusal: Refusal) -> Refusal:
    """Blame the right side: the grammar's rules are written for requests; a package's page may be refused as it is."""
    if refusal.rule.startswith(("upstream-", "package-")) or refusal.rule == "secret-echo":
        return refusal
    return Refusal("upstream-answer", detail=refusal.rule)
