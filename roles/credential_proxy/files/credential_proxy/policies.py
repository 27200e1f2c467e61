# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversations' own policies on disk: they must hold after a restart too."""

from __future__ import annotations

import json
from pathlib import Path

from .config import parse_policy
from .control import is_conversation
from .reader import read_json
from .settings import ConfigError, Policy, Route


class PolicyStore:
    """One file a conversation, in a directory that no container sees."""

    def __init__(self, directory: Path) -> None:
        """Keep the files here; the directory is made when the first one is written."""
        self._directory = directory

    def load(self, routes: tuple[Route, ...]) -> dict[str, Policy]:
        """Read all policies; one that does not fit the routes any more allows nothing, rather than everything."""
        policies: dict[str, Policy] = {}
        if not self._directory.is_dir():
            return policies
        for path in sorted(self._directory.glob("*.json")):
            if is_conversation(path.stem):
                try:
                    policies[path.stem] = parse_policy(read_json(path.read_bytes()), routes)
                except ConfigError:
                    policies[path.stem] = Policy(routes=frozenset())
        return policies

    def store(self, conversation: str, data: object) -> None:
        """Write a policy that was checked, all or nothing."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self._path(conversation)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(data), "utf-8")
        fresh.replace(path)

    def remove(self, conversation: str) -> None:
        """Forget a policy."""
        self._path(conversation).unlink(missing_ok=True)

    def _path(self, conversation: str) -> Path:
        return self._directory / f"{conversation}.json"
