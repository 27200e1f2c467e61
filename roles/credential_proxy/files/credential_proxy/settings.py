# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the service, checked and immutable: what ``config`` makes of the configuration file."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

AUTHENTICATIONS: Final[dict[str, tuple[str, ...]]] = {
    "anthropic": ("x-api-key", "bearer"),
    "bedrock": ("sigv4", "bearer", "sigv4-chain"),
    "bedrock_control": ("sigv4", "bearer", "sigv4-chain"),
    "pypi": ("none", "bearer", "basic"),
    "pypi_files": ("none", "bearer", "basic"),
    "npm": ("none", "bearer", "basic"),
}
"""Kinds of route and the ways in which each may send its credential; the first is the default."""


REACHES: Final = ("mcp", "url_source", "web_search", "web_fetch", "code_execution", "other_tools", "s3")
"""Ways in which a prompt can have the provider fetch from elsewhere, by the names with which a route allows them."""


class ConfigError(Exception):
    """The configuration cannot be used; carries every problem found."""

    def __init__(self, problems: list[str]) -> None:
        """Keep the problems in the order of the file."""
        super().__init__("; ".join(problems))
        self.problems = problems


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether one of the patterns (``*`` and ``?``) is the whole name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class PackageRules:
    """Which packages may be fetched: denied ones never, others if allowed (empty: all), none younger than the age."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    minimum_age_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """One path prefix, the upstream behind it and the credential that is injected.

    ``base`` is put before a package index's paths; all other routes have none.
    """

    name: str
    kind: str
    prefix: str
    host: str
    port: int = 443
    credential: str = ""
    address: tuple[str, int] | None = None
    ca_file: str | None = None
    tls: bool = True
    auth: str = "x-api-key"
    base: str = ""
    region: str = ""
    models: tuple[str, ...] = ()
    provider_reach: tuple[str, ...] = ()
    packages: PackageRules = field(default_factory=PackageRules)

    @property
    def uses_chain(self) -> bool:
        """Tell whether requests are signed with keys from AWS's own chain."""
        return self.auth == "sigv4-chain"

    @property
    def authority(self) -> str:
        """Return the upstream's Host field."""
        return self.host if self.port == 443 else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TunnelHost:
    """One host to which CONNECT is allowed."""

    host: str
    address: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, for the models that the pattern names, in the operator's currency.

    ``fast``: how many times as much in the API's fast mode.
    """

    model: str
    input: float
    output: float
    cache_read: float
    cache_write: float
    cache_write_1h: float
    fast: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What one conversation may use; None is no limit."""

    requests_per_minute: int | None = None
    concurrent_requests: int | None = None
    tokens: int | None = None
    tokens_per_day: int | None = None
    cost: float | None = None
    cost_per_day: float | None = None

    def tightened(self, other: Limits) -> Limits:
        """Return the smaller of each pair."""
        smaller: dict[str, Any] = {name: _smaller(getattr(self, name), getattr(other, name)) for name in LIMIT_NAMES}
        return Limits(**smaller)


LIMIT_NAMES: Final = tuple(Limits.__dataclass_fields__)


def _smaller(one: float | None, other: float | None) -> float | None:
    return min((value for value in (one, other) if value is not None), default=None)


@dataclass(frozen=True, slots=True)
class Policy:
    """What one conversation may do on top of the host's rules; None is everything that the host allows."""

    routes: frozenset[str] | None = None
    models: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of the service."""

    conversations_directory: Path
    state_directory: Path
    control_socket: Path
    metrics_socket: Path
    audit_log: Path
    client_url: str
    routes: tuple[Route, ...]
    tunnels: tuple[TunnelHost, ...]
    limits: Limits
    prices: tuple[Price, ...]
    parent_proxy: tuple[str, int] | None
