# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration file: read whole, checked whole, every problem reported at once; an unknown key is a problem."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from .mirrors.names import normalised
from .reader import Reader, read_json
from .settings import (
    AUTHENTICATIONS,
    LIMIT_NAMES,
    REACHES,
    Config,
    ConfigError,
    Limits,
    PackageRules,
    Policy,
    Price,
    Route,
    TunnelHost,
)

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PREFIX: Final = re.compile(r"/|(/[a-z0-9][a-z0-9_-]*)+/")
_BASE: Final = re.compile(r"(/[A-Za-z0-9._-]*[A-Za-z0-9_-])+")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_PATTERN: Final = re.compile(r"[!-~]{1,256}")
_CLIENT_URL: Final = re.compile(r"http://[a-z0-9.-]+(:[0-9]{1,5})?")
CONTROL_SOCKET: Final = "/run/credential_proxy/control.sock"
_UNIX_PATH_BYTES: Final = 107
_CONVERSATION_BYTES: Final = 48
_DAY_SECONDS: Final = 86400
# What goes to the cache for an hour costs twice the input, what goes there for five minutes 1.25 times.
_HOUR_FACTOR: Final = 2 / 1.25
# Anthropic's fast mode costs 2 to 6 times as much, by model (their page on fast mode, 2026-11).
_FAST_FACTOR: Final = 6.0
_ROUTE_KEYS: Final = (
    *("name", "type", "prefix", "host", "port", "credential", "address", "ca_file", "tls", "auth", "region", "models"),
    *("base", "allow", "deny", "minimum_age_days", "provider_reach"),
)


def load(path: Path) -> Config:
    """Read and check the file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"cannot read {path}: {error}"]) from error
    return parse(text)


def parse(text: str) -> Config:
    """Check a configuration text."""
    reader = Reader()
    config = _config(reader, read_json(text))
    reader.finish()
    return config


def parse_policy(data: object, routes: tuple[Route, ...]) -> Policy:
    """Check what one conversation may do."""
    reader = Reader()
    table = reader.table(data, "policy", ("routes", "models", "limits"))
    names = reader.texts(table, "policy", "routes", _NAME) if "routes" in table else None
    for name in sorted(set(names or ()) - {route.name for route in routes} - {"tunnels"}):
        reader.problem(f"policy.routes: there is no route {name!r}")
    models = reader.texts(table, "policy", "models", _PATTERN) if "models" in table else None
    limits = _limits(reader, table.get("limits", {}), "policy.limits")
    reader.finish()
    return Policy(frozenset(names) if names is not None else None, models, limits)


def _config(reader: Reader, data: object) -> Config:
    known = (
        *("conversations_directory", "state_directory", "control_socket", "metrics_socket", "audit_log"),
        *("client_url", "routes", "tunnels", "limits", "prices", "parent_proxy"),
    )
    table = reader.table(data, "the configuration", known)
    directory = reader.path(table, "conversations_directory", "/var/lib/credential_proxy/conversations")
    if len(bytes(directory)) + _CONVERSATION_BYTES + len("//proxy.sock") > _UNIX_PATH_BYTES:
        reader.problem("conversations_directory: too long, a socket path in it would exceed 107 bytes")
    routes = tuple(_route(reader, item, where) for item, where in reader.items(table, "routes"))
    tunnels = tuple(_tunnel(reader, item, where) for item, where in reader.items(table, "tunnels"))
    _compare(reader, routes, tunnels)
    limits = _limits(reader, table.get("limits", {}), "limits")
    prices = tuple(_price(reader, item, where) for item, where in reader.items(table, "prices"))
    if not prices and (limits.cost is not None or limits.cost_per_day is not None):
        reader.problem("limits: a limit of cost needs prices, without which nothing costs anything")
    client_url = table.get("client_url", "http://127.0.0.1:9080")
    if not isinstance(client_url, str) or not _CLIENT_URL.fullmatch(client_url):
        reader.problem("client_url: must be http://NAME:PORT, the address at which containers reach this service")
    return Config(
        conversations_directory=directory,
        state_directory=reader.path(table, "state_directory", "/var/lib/credential_proxy"),
        control_socket=reader.path(table, "control_socket", CONTROL_SOCKET),
        metrics_socket=reader.path(table, "metrics_socket", "/run/credential_proxy/metrics.sock"),
        audit_log=reader.path(table, "audit_log", "/var/log/credential_proxy/audit.jsonl"),
        client_url=str(client_url),
        routes=routes,
        tunnels=tunnels,
        limits=limits,
        prices=prices,
        parent_proxy=reader.address(table.get("parent_proxy"), "parent_proxy"),
    )


def _compare(reader: Reader, routes: tuple[Route, ...], tunnels: tuple[TunnelHost, ...]) -> None:
    """Find what is wrong between routes; the two halves of Bedrock may share a prefix, their paths differ."""
    others = [route.prefix for route in routes if not route.kind.startswith("bedrock")]
    control = [route.prefix for route in routes if route.kind == "bedrock_control"]
    for field, values in (
        ("name", [route.name for route in routes]),
        ("prefix", [route.prefix for route in routes if route.kind != "bedrock_control"]),
        ("prefix", others + control),
    ):
        for value in sorted({value for value in values if values.count(value) > 1}):
            reader.problem(f"routes: {field} {value!r} is used more than once")
    _compare_indexes(reader, routes)
    injected = {route.host for route in routes if route.credential or route.uses_chain}
    for index, tunnel in enumerate(tunnels):
        if tunnel.host in injected:
            reader.problem(
                f"tunnels[{index}].host: {tunnel.host!r} gets a credential on a route; a tunnel to it would let a "
                "container use its own"
            )


def _compare_indexes(reader: Reader, routes: tuple[Route, ...]) -> None:
    """Find rules that would never be asked: files have routes of their own, and only these decide about them."""
    files = [route.packages for route in routes if route.kind == "pypi_files"]
    for index in (route for route in routes if route.kind == "pypi"):
        rules = index.packages
        lost = []
        if rules.allow and not any(set(rules.allow) == set(other.allow) for other in files):
            lost.append("allow")
        if rules.deny and not any(set(rules.deny) == set(other.deny) for other in files):
            lost.append("deny")
        age = rules.minimum_age_seconds
        if age and not any(age <= other.minimum_age_seconds for other in files):
            lost.append("minimum_age_days")
        for key in lost:
            reader.problem(
                f"route {index.name!r}: {key} must be the same on a route of type pypi_files, or has no effect"
            )


def _route(reader: Reader, data: object, where: str) -> Route:
    table = reader.table(data, where, _ROUTE_KEYS)
    kind = reader.choice(table, where, "type", tuple(AUTHENTICATIONS))
    ways = AUTHENTICATIONS.get(kind, ("none",))
    auth = reader.choice({"auth": ways[0], **table}, where, "auth", ways)
    bedrock = kind.startswith("bedrock")
    region = reader.matching(table, where, "region", _REGION) if bedrock else ""
    if not bedrock and "region" in table:
        reader.problem(f"{where}.region: only Bedrock's routes have one")
    if bedrock and "host" not in table:
        table = {**table, "host": f"bedrock{'-runtime' if kind == 'bedrock' else ''}.{region}.amazonaws.com"}
    unnamed = auth in ("none", "sigv4-chain")
    if unnamed and "credential" in table:
        reader.problem(f"{where}.credential: auth {auth!r} takes none from here; leave it out, or set auth")
    packages = kind in ("pypi", "pypi_files", "npm")
    for key in sorted({"base", "allow", "deny", "minimum_age_days"} & set(table)) if not packages else ():
        reader.problem(f"{where}.{key}: only routes to package indexes have it")
    if packages and "models" in table:
        reader.problem(f"{where}.models: only routes to models have it")
    if kind not in ("anthropic", "bedrock", "") and "provider_reach" in table:
        reader.problem(f"{where}.provider_reach: only routes to models have it")
    ca_file = table.get("ca_file")
    if ca_file is not None and not (isinstance(ca_file, str) and ca_file.startswith("/")):
        reader.problem(f"{where}.ca_file: must be an absolute path")
    tls = table.get("tls", True)
    if not isinstance(tls, bool) or (not tls and "address" not in table):
        reader.problem(f"{where}.tls: must be true, or false for an upstream of your own whose address is given")
    return Route(
        name=reader.matching(table, where, "name", _NAME),
        kind=kind,
        prefix=reader.matching(table, where, "prefix", _PREFIX),
        host=reader.host(table, where),
        port=reader.port(table.get("port", 443), f"{where}.port"),
        credential="" if unnamed else reader.matching(table, where, "credential", _NAME),
        address=reader.address(table.get("address"), f"{where}.address"),
        ca_file=ca_file if isinstance(ca_file, str) else None,
        tls=tls is not False,
        auth=auth,
        base=reader.matching(table, where, "base", _BASE) if "base" in table else "",
        region=region,
        models=reader.texts(table, where, "models", _PATTERN),
        provider_reach=reader.choices(table, where, "provider_reach", REACHES),
        packages=PackageRules(
            allow=_packages(reader, table, where, "allow"),
            deny=_packages(reader, table, where, "deny"),
            minimum_age_seconds=int(_DAY_SECONDS * (reader.number(table, where, "minimum_age_days") or 0)),
        ),
    )


def _packages(reader: Reader, table: dict[str, Any], where: str, key: str) -> tuple[str, ...]:
    """Read patterns of names; those of Python's packages are spelled as the names are that they are compared with."""
    patterns = reader.texts(table, where, key, _PATTERN)
    return patterns if table.get("type") == "npm" else tuple(normalised(pattern) for pattern in patterns)


def _tunnel(reader: Reader, data: object, where: str) -> TunnelHost:
    table = reader.table(data, where, ("host", "address"))
    return TunnelHost(reader.host(table, where), reader.address(table.get("address"), f"{where}.address"))


def _price(reader: Reader, data: object, where: str) -> Price:
    kinds = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
    table = reader.table(data, where, ("model", "fast", *kinds))
    fast = reader.number(table, where, "fast")
    given = {name: reader.number(table, where, name) for name in kinds}
    for name in ("input", "output"):
        if given[name] is None:
            reader.problem(f"{where}.{name}: must be a number, what a million tokens cost")
    one = given["input"] or 0.0
    write, write_1h = given["cache_write"], given["cache_write_1h"]
    write = one if write is None else write
    return Price(
        model=reader.matching(table, where, "model", _PATTERN),
        input=one,
        output=given["output"] or 0.0,
        cache_read=one if given["cache_read"] is None else given["cache_read"],
        cache_write=write,
        cache_write_1h=_HOUR_FACTOR * write if write_1h is None else write_1h,
        fast=_FAST_FACTOR if fast is None else fast,
    )


def _limits(reader: Reader, data: object, where: str) -> Limits:
    table = reader.table(data, where, LIMIT_NAMES)
    values: dict[str, Any] = {}
    for name in LIMIT_NAMES:
        value = reader.number(table, where, name)
        values[name] = value if value is None or name.startswith("cost") else int(value)
    return Limits(**values)
