# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads values out of parsed JSON and collects every problem; what it returns is used only when there are none."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from .settings import ConfigError

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def read_json(text: str | bytes) -> Any:
    """Parse JSON in which no key may be given twice."""
    try:
        return json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"not valid JSON: {error}"]) from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is given twice")
    return result


class Reader:
    """Names each value by its place, so that the problem's message leads to it."""

    def __init__(self) -> None:
        """Begin without problems."""
        self._problems: list[str] = []

    def problem(self, text: str) -> None:
        """Add a problem."""
        self._problems.append(text)

    def finish(self) -> None:
        """Raise what was found."""
        if self._problems:
            raise ConfigError(self._problems)

    def table(self, data: object, where: str, known: tuple[str, ...]) -> dict[str, Any]:
        """Read an object whose keys are known."""
        if not isinstance(data, dict):
            self.problem(f"{where}: must be an object")
            return {}
        for key in sorted(set(data) - set(known)):
            self.problem(f"{where}: unknown key {key!r}; known are {', '.join(known)}")
        return data

    def items(self, table: dict[str, Any], key: str) -> Iterator[tuple[object, str]]:
        """Read a list; give each item with its place."""
        items = table.get(key, [])
        if not isinstance(items, list):
            self.problem(f"{key}: must be a list")
            return
        for index, item in enumerate(items):
            yield item, f"{key}[{index}]"

    def text(self, table: dict[str, Any], where: str, key: str) -> str:
        """Read a text that is not empty."""
        value = table.get(key)
        if isinstance(value, str) and value:
            return value
        self.problem(f"{where}.{key}: must be a text")
        return ""

    def choice(self, table: dict[str, Any], where: str, key: str, choices: tuple[str, ...]) -> str:
        """Read one of several words."""
        value = self.text(table, where, key)
        if value and value not in choices:
            self.problem(f"{where}.{key}: must be one of {', '.join(choices)}, not {value!r}")
        return value

    def matching(self, table: dict[str, Any], where: str, key: str, pattern: re.Pattern[str]) -> str:
        """Read a text of a certain form."""
        value = self.text(table, where, key)
        if value and not pattern.fullmatch(value):
            self.problem(f"{where}.{key}: {value!r} must match {pattern.pattern}")
        return value

    def texts(self, table: dict[str, Any], where: str, key: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
        """Read a list of texts of a certain form; it may be missing."""
        values = table.get(key, [])
        if isinstance(values, list) and all(isinstance(value, str) and pattern.fullmatch(value) for value in values):
            return tuple(values)
        self.problem(f"{where}.{key}: must be a list of texts that match {pattern.pattern}")
        return ()

    def choices(self, table: dict[str, Any], where: str, key: str, choices: tuple[str, ...]) -> tuple[str, ...]:
        """Read a list of words; it may be missing."""
        values = table.get(key, [])
        if isinstance(values, list) and all(value in choices for value in values):
            return tuple(values)
        self.problem(f"{where}.{key}: must be a list of {', '.join(choices)}")
        return ()

    def number(self, table: dict[str, Any], where: str, key: str) -> float | None:
        """Read a number that is not negative; None when it is missing."""
        value = table.get(key)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
            return value
        self.problem(f"{where}.{key}: must be a number, 0 or more")
        return None

    def path(self, table: dict[str, Any], key: str, default: str) -> Path:
        """Read an absolute path."""
        value = table.get(key, default)
        if isinstance(value, str) and value.startswith("/"):
            return Path(value)
        self.problem(f"{key}: must be an absolute path")
        return Path(default)

    def host(self, table: dict[str, Any], where: str) -> str:
        """Read the name of a host."""
        host = self.text(table, where, "host")
        labels = host.split(".")
        if host and (not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit() or len(host) > 253):
            self.problem(f"{where}.host: {host!r} must be a lower-case DNS name, not an address or URL")
        return host

    def port(self, value: object, where: str) -> int:
        """Read the number of a port."""
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:
            return value
        self.problem(f"{where}: must be a number from 1 to 65535")
        return 443

    def address(self, value: object, where: str) -> tuple[str, int] | None:
        """Read an address with a port; None when it is missing."""
        if value is None:
            return None
        host, _colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            self.problem(f"{where}: must be 'IP:port', with an IPv6 address in brackets")
            return None
        return str(address), self.port(int(port) if re.fullmatch(r"[0-9]{1,5}", port) else None, where)
