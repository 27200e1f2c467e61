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
_FETCHES = "this prompt would have the provider fetch from elsewhere, or act there"
_REACHES: Final = {
    "mcp": "MCP servers",
    "url_source": "a source with a URL",
    "web_search": "its web search",
    "web_fetch": "its web fetch",
    "code_execution": "its code execution",
    "other_tools": "a tool of its own",
    "s3": "files in S3",
}
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
    "chunk-size": Rule(
        400, "the chunks of the body are too small", "send Content-Length, or chunks of 64 bytes or more on average"
    ),
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
        403,
        "tunnels to this host are not allowed",
        "set the base URL to this proxy instead of using it as an HTTPS proxy, or ask the operator to list the host",
    ),
    "connect-target": Rule(400, "the target of CONNECT is not a plain host name and port", "send 'name:443'"),
    "connect-port": Rule(403, "tunnels lead to port 443 only", "use HTTPS on its own port"),
    "method": Rule(405, "this method is not on the list for this path", "use the methods that the Allow field names"),
    "path": Rule(
        403, "this path is not on the list of allowed requests", "use one of the listed API calls, or ask the operator"
    ),
    "query": Rule(403, "this query is not allowed", "leave the query out, or send exactly '?beta=true'"),
    "route": Rule(403, "this conversation may not use this route", "ask the operator to allow it"),
    "model": Rule(403, "this model is not on the list of allowed models", "use an allowed model, or ask the operator"),
    "model-missing": Rule(400, "the body is not a JSON object that names one model", "send one JSON object"),
    "body-form": Rule(
        415,
        "the fields of this request say that its prompt is not plain UTF-8, so that it cannot be looked at",
        "leave Content-Encoding out, and any charset but utf-8",
    ),
    "body-json": Rule(400, "the prompt is not JSON in UTF-8, so that it cannot be looked at", "send one JSON object"),
    "body-parts": Rule(413, "the prompt holds more than 200,000 brackets and commas", "send a shorter prompt"),
    **{
        f"reach-{name}": Rule(
            403, f"{_FETCHES} ({what})", f"leave it out, or ask the operator to allow {name} (provider_reach)"
        )
        for name, what in _REACHES.items()
    },
    "bedrock-model": Rule(403, "an ARN in the path must be one segment", "encode its slashes as %2F, as AWS's SDKs do"),
    "read-only": Rule(405, "package indexes are read-only here", "only GET and HEAD pass; publish from elsewhere"),
    "index-path": Rule(
        403, "this is neither a package's page nor one of its files", "use pip or npm with this index as it is"
    ),
    "package-denied": Rule(403, "this package is denied here", "use another package, or ask the operator to allow it"),
    "package-age": Rule(
        403, "this release is too young, or was not on the index page", "use an older version, or ask the operator"
    ),
    "rate": Rule(429, "this conversation sends too many requests a minute", "wait as long as Retry-After says"),
    "concurrency": Rule(429, "this conversation has too many requests open", "wait until one of them has ended"),
    "budget": Rule(429, "this conversation's budget is spent", "ask the operator for more"),
    "budget-day": Rule(429, "this conversation's budget for today is spent", "wait until tomorrow (UTC)"),
    "address-guard": Rule(403, "the upstream's name resolves to an address that is not public", _OPERATOR),
    # What a tunnel's first bytes must be.
    "tunnel-not-tls": Rule(403, "only TLS goes through a tunnel", "connect with TLS"),
    "tunnel-hello": Rule(403, "the first TLS message is malformed or too long", "connect with an ordinary TLS client"),
    "tunnel-name": Rule(403, "the TLS server name is not the tunnel's target", "name the same host in both places"),
    "tunnel-hidden-name": Rule(403, "the TLS server name is encrypted", "switch Encrypted Client Hello off"),
    "tunnel-timeout": Rule(408, "no TLS message came within 10 seconds", "begin with TLS at once"),
    # What we cannot do now.
    "audit": Rule(503, "the audit log cannot be written, so no request is served", _OPERATOR),
    "held-bytes": Rule(503, "too many bodies and pages are held at this moment", "try again in a few seconds"),
    "no-keys": Rule(503, "there are no keys to sign with at this moment", _RETRY),
    "closing": Rule(503, "the proxy is stopping", "try again in a few seconds"),
    # What the upstream did.
    "upstream-resolve": Rule(502, "the upstream's name cannot be resolved", _RETRY),
    "upstream-connect": Rule(502, "the upstream cannot be reached", _RETRY),
    "upstream-tls": Rule(502, "the upstream's certificate or TLS handshake is not acceptable", _OPERATOR),
    "upstream-answer": Rule(502, "the upstream's answer is malformed", _RETRY),
    "upstream-encoding": Rule(502, "the upstream compressed its answer, which cannot be examined", _OPERATOR),
    "upstream-cut": Rule(502, "the upstream ended the connection before its answer was complete", _RETRY),
    "upstream-redirect": Rule(502, "the index answered with a redirect", _OPERATOR),
    "upstream-size": Rule(
        502, "the index page is larger than 64 MiB, or has more than 2,000,000 brackets and commas", _OPERATOR
    ),
    "upstream-timeout": Rule(504, "the upstream was silent for too long", _RETRY),
    "secret-echo": Rule(502, "the upstream's answer held the secret, so it was cut", _OPERATOR),
}

_REASONS: Final = {
    400: "Bad Request", 403: "Forbidden", 405: "Method Not Allowed", 408: "Request Timeout", 413: "Content Too Large",
    415: "Unsupported Media Type",
    417: "Expectation Failed", 429: "Too Many Requests", 431: "Request Header Fields Too Large", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}  # fmt: skip

# The words of Anthropic's API, so that its SDKs show the message instead of a parse error.
_ERROR_TYPES: Final = {403: "permission_error", 413: "request_too_large", 429: "rate_limit_error"}
_AWS_ERRORS: Final = {
    400: "ValidationException", 403: "AccessDeniedException", 405: "AccessDeniedException", 429: "ThrottlingException",
}  # fmt: skip


class Refusal(Exception):
    """One request cannot be served; carries the rule and, for the audit log only, a detail."""

    def __init__(self, rule: str, *, detail: str = "", allow: str = "", retry_after: int = 0) -> None:
        """Look the rule up; an unknown rule is a mistake of ours and fails here."""
        super().__init__(rule)
        self.rule = rule
        self.status = RULES[rule].status
        self.detail = detail
        self.allow = allow
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        """Say what cannot be done, why, and what to do."""
        return f"cannot serve this request: {RULES[self.rule].cause} (rule {self.rule}); {RULES[self.rule].cure}"


def refusal_answer(refusal: Refusal, *, without_body: bool = False) -> bytes:
    """Write the whole answer, after which the connection closes.

    The body has the keys in which each client looks: ``error.message`` for Anthropic's, ``message`` for AWS's.
    """
    rule = RULES[refusal.rule]
    kind = _ERROR_TYPES.get(rule.status, "invalid_request_error" if rule.status < 500 else "api_error")
    text = refusal.message
    body = json.dumps({"type": "error", "error": {"type": kind, "message": text}, "message": text}).encode() + b"\n"
    lines = [
        f"HTTP/1.1 {rule.status} {_REASONS[rule.status]}: {rule.cause}; {rule.cure}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-amzn-errortype: {_AWS_ERRORS.get(rule.status, 'ServiceUnavailableException')}",
        *([f"allow: {refusal.allow}"] if refusal.allow else []),
        *([f"retry-after: {refusal.retry_after}"] if refusal.retry_after else []),
        "connection: close",
    ]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + (b"" if without_body else body)
