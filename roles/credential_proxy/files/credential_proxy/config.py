# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration file: read whole, checked whole, every problem reported at once; an unknown key is a problem."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .secret import Secret

KINDS: Final = ("anthropic",)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PREFIX: Final = re.compile(r"/|(/[a-z0-9][a-z0-9_-]*)+/")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_UNIX_PATH_BYTES: Final = 107
_CONVERSATION_BYTES: Final = 48


class ConfigError(Exception):
    """The configuration cannot be used; carries every problem found."""

    def __init__(self, problems: list[str]) -> None:
        """Keep the problems in the order of the file."""
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Route:
    """One path prefix, the upstream behind it and the credential that is injected."""

    name: str
    kind: str
    prefix: str
    host: str
    port: int
    credential: str
    address: tuple[str, int] | None
    ca_file: str | None


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of the service."""

    conversations_directory: Path
    control_socket: Path
    audit_log: Path
    routes: tuple[Route, ...]


def load(path: Path) -> Config:
    """Read and check the file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"cannot read {path}: {error}"]) from error
    return parse(text)


def load_credentials(config: Config, directory: Path) -> Mapping[str, Secret]:
    """Read the credential of every route; the files are systemd's, readable by this service only."""
    problems = []
    secrets = {}
    for name in sorted({route.credential for route in config.routes}):
        try:
            secrets[name] = Secret((directory / name).read_bytes())
        except OSError as error:
            problems.append(f"cannot read credential {name}: {error.strerror}; put it into {directory}")
        except ValueError as error:
            problems.append(f"cannot use credential {name}: {error}")
    if problems:
        raise ConfigError(problems)
    return secrets


def parse(text: str) -> Config:
    """Check a configuration text."""
    try:
        data = json.loads(text, object_pairs_hook=_unique_keys)
    except ValueError as error:
        raise ConfigError([f"not valid JSON: {error}"]) from error
    reader = _Reader()
    config = reader.config(data)
    if reader.problems:
        raise ConfigError(reader.problems)
    return config


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is given twice")
    return result


class _Reader:
    """Collects problems while it reads; what it returns is used only when there are none."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def config(self, data: object) -> Config:
        known = ("conversations_directory", "control_socket", "audit_log", "routes")
        table = self._table(data, "the configuration", known)
        directory = self._path(table, "conversations_directory", "/var/lib/credential_proxy/conversations")
        if len(bytes(directory)) + _CONVERSATION_BYTES + len("//proxy.sock") > _UNIX_PATH_BYTES:
            self.problems.append("conversations_directory: too long, a socket path in it would exceed 107 bytes")
        routes = table.get("routes", [])
        if not isinstance(routes, list):
            self.problems.append("routes: must be a list")
            routes = []
        parsed = tuple(self._route(item, f"routes[{index}]") for index, item in enumerate(routes))
        for field in ("name", "prefix"):
            seen = [getattr(route, field) for route in parsed]
            for value in sorted({value for value in seen if seen.count(value) > 1}):
                self.problems.append(f"routes: {field} {value!r} is used more than once")
        return Config(
            conversations_directory=directory,
            control_socket=self._path(table, "control_socket", "/run/credential_proxy/control.sock"),
            audit_log=self._path(table, "audit_log", "/var/log/credential_proxy/audit.jsonl"),
            routes=parsed,
        )

    def _route(self, data: object, where: str) -> Route:
        known = ("name", "type", "prefix", "host", "port", "credential", "address", "ca_file")
        table = self._table(data, where, known)
        kind = self._text(table, where, "type")
        if kind not in KINDS:
            self.problems.append(f"{where}.type: must be one of {', '.join(KINDS)}, not {kind!r}")
        ca_file = table.get("ca_file")
        if ca_file is not None and not (isinstance(ca_file, str) and ca_file.startswith("/")):
            self.problems.append(f"{where}.ca_file: must be an absolute path")
        return Route(
            name=self._matching(table, where, "name", _NAME),
            kind=kind,
            prefix=self._matching(table, where, "prefix", _PREFIX),
            host=self._host(table, where),
            port=self._port(table.get("port", 443), f"{where}.port"),
            credential=self._matching(table, where, "credential", _NAME),
            address=self._address(table.get("address"), f"{where}.address"),
            ca_file=ca_file if isinstance(ca_file, str) else None,
        )

    def _table(self, data: object, where: str, known: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.problems.append(f"{where}: must be an object")
            return {}
        for key in sorted(set(data) - set(known)):
            self.problems.append(f"{where}: unknown key {key!r}; known are {', '.join(known)}")
        return data

    def _text(self, table: dict[str, Any], where: str, key: str) -> str:
        value = table.get(key)
        if isinstance(value, str) and value:
            return value
        self.problems.append(f"{where}.{key}: must be a text")
        return ""

    def _matching(self, table: dict[str, Any], where: str, key: str, pattern: re.Pattern[str]) -> str:
        value = self._text(table, where, key)
        if value and not pattern.fullmatch(value):
            self.problems.append(f"{where}.{key}: {value!r} must match {pattern.pattern}")
        return value

    def _path(self, table: dict[str, Any], key: str, default: str) -> Path:
        value = table.get(key, default)
        if isinstance(value, str) and value.startswith("/"):
            return Path(value)
        self.problems.append(f"{key}: must be an absolute path")
        return Path(default)

    def _host(self, table: dict[str, Any], where: str) -> str:
        host = self._text(table, where, "host")
        labels = host.split(".")
        if host and (not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit() or len(host) > 253):
            self.problems.append(f"{where}.host: {host!r} must be a lower-case DNS name, not an address or URL")
        return host

    def _port(self, value: object, where: str) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:
            return value
        self.problems.append(f"{where}: must be a number from 1 to 65535")
        return 443

    def _address(self, value: object, where: str) -> tuple[str, int] | None:
        if value is None:
            return None
        host, _colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            self.problems.append(f"{where}: must be 'IP:port', with an IPv6 address in brackets")
            return None
        return str(address), self._port(int(port) if re.fullmatch(r"[0-9]{1,5}", port) else None, where)
