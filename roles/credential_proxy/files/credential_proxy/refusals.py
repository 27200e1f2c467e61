# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every reason to refuse: one table of rules, each with its status, its cause and its cure.

No text of a request gets into the reason phrase, so a request cannot write into the answer's head.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """What a broken rule answers."""

    status: int
    cause: str
    cure: str


_PLAIN_HTTP = "send plain HTTP/1.1 as RFC 9112 writes it"
_LENGTH = "send exactly one Content-Length of decimal digits, or exactly one 'Transfer-Encoding: chunked'"
_OPERATOR = "tell the operator of this host; the audit log names the request"
_RETRY = "try again later; the operator finds the cause in the audit log"

RULES: Final[dict[str, Rule]] = {
    # What the client sent is not HTTP/1.1 as we read it.
    "request-line": Rule(400, "the request line is malformed", _PLAIN_HTTP),
    "line-end": Rule(400, "a line of the head does not end in CRLF, or holds a stray CR, LF or NUL", _PLAIN_HTTP),
    "http-version": Rule(505, "only HTTP/1.1 is spoken here", "use an HTTP/1.1 client"),
    "field": Rule(
        400, "a header field is malformed", "use token names without '_' and values without control characters"
    ),
    "host": Rule(400, "there must be exactly one Host field with a plain host name and port", _PLAIN_HTTP),
    "target-form": Rule(
        400,
        "only paths are accepted as request target",
        "send the path, not a whole URL; set the base URL to this proxy",
    ),
    "content-length": Rule(400, "Content-Length is malformed or repeated", _LENGTH),
    "transfer-encoding": Rule(
        400, "Transfer-Encoding is not exactly one 'chunked', or comes with Content-Length", _LENGTH
    ),
    "chunk": Rule(400, "a chunk of the body is malformed", _LENGTH),
    "unexpected-body": Rule(400, "this method takes no body", "leave the body out"),
    "expectation": Rule(417, "only 'Expect: 100-continue' is understood", "leave the Expect field out"),
    "head-size": Rule(
        431, "the head of the request is too large", "send at most 100 fields, 16 KiB a line and 64 KiB in all"
    ),
    "body-size": Rule(413, "the body is larger than 32 MiB", "send a smaller request"),
    "body-cut": Rule(
        400, "the connection ended in the middle of the body", "send as many bytes as Content-Length says"
    ),
    "head-timeout": Rule(
        408, "the head of the request did not arrive within 10 seconds", "send the whole head at once"
    ),
    "body-timeout": Rule(408, "the body of the request stopped for 30 seconds", "send the body without pauses"),
    # What the policy does not allow.
    "connect": Rule(
        403, "tunnels are not allowed", "set the base URL to this proxy instead of using it as an HTTPS proxy"
    ),
    "method": Rule(405, "this method is not on the list for this path", "use the methods that the Allow field names"),
    "path": Rule(
        403, "this path is not on the list of allowed requests", "use one of the listed API calls, or ask the operator"
    ),
    "query": Rule(403, "this query is not allowed", "leave the query out, or send exactly '?beta=true'"),
    "address-guard": Rule(403, "the upstream's name resolves to an address that is not public", _OPERATOR),
    # What we cannot do now.
    "audit": Rule(503, "the audit log cannot be written, so no request is served", _OPERATOR),
    "held-bytes": Rule(503, "too many request bodies are held at this moment", "send Content-Length, or try again"),
    "closing": Rule(503, "the proxy is stopping", "try again in a few seconds"),
    # What the upstream did.
    "upstream-resolve": Rule(502, "the upstream's name cannot be resolved", _RETRY),
    "upstream-connect": Rule(502, "the upstream cannot be reached", _RETRY),
    "upstream-tls": Rule(502, "the upstream's certificate or TLS handshake is not acceptable", _OPERATOR),
    "upstream-answer": Rule(502, "the upstream's answer is malformed", _RETRY),
    "upstream-encoding": Rule(502, "the upstream compressed its answer, which cannot be examined", _OPERATOR),
    "upstream-cut": Rule(502, "the upstream ended the connection before its answer was complete", _RETRY),
    "upstream-timeout": Rule(504, "the upstream was silent for too long", _RETRY),
    "secret-echo": Rule(502, "the upstream's answer held the secret, so it was cut", _OPERATOR),
}

_REASONS: Final = {
    400: "Bad Request", 403: "Forbidden", 405: "Method Not Allowed", 408: "Request Timeout", 413: "Content Too Large",
    417: "Expectation Failed", 431: "Request Header Fields Too Large", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}  # fmt: skip

# The words of Anthropic's API, so that its SDKs show the message instead of a parse error.
_ERROR_TYPES: Final = {403: "permission_error", 413: "request_too_large"}


class Refusal(Exception):
    """One request cannot be served; carries the rule and, for the audit log only, a detail."""

    def __init__(self, rule: str, *, detail: str = "", allow: str = "") -> None:
        """Look the rule up; an unknown rule is a mistake of ours and fails here."""
        super().__init__(rule)
        self.rule = rule
        self.status = RULES[rule].status
        self.detail = detail
        self.allow = allow

    @property
    def message(self) -> str:
        """Say what cannot be done, why, and what to do."""
        return f"cannot serve this request: {RULES[self.rule].cause} (rule {self.rule}); {RULES[self.rule].cure}"


def refusal_answer(refusal: Refusal, *, without_body: bool = False) -> bytes:
    """Write the whole answer, after which the connection closes."""
    rule = RULES[refusal.rule]
    kind = _ERROR_TYPES.get(rule.status, "invalid_request_error" if rule.status < 500 else "api_error")
    body = json.dumps({"type": "error", "error": {"type": kind, "message": refusal.message}}).encode() + b"\n"
    lines = [
        f"HTTP/1.1 {rule.status} {_REASONS[rule.status]}: {rule.cause}; {rule.cure}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *([f"allow: {refusal.allow}"] if refusal.allow else []),
        "connection: close",
    ]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + (b"" if without_body else body)
