# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Asks the credential proxy to open and close conversations: one JSON line each way over its control socket."""

from __future__ import annotations

import json
import socket
from typing import Any

from .errors import WorkspaceError

_TIMEOUT = 10.0
_LONGEST_ANSWER = 4 * 1024 * 1024


class ProxyControl:
    """The control socket of a host's credential proxy."""

    def __init__(self, path: str) -> None:
        self._path = path

    def open(self, conversation_id: str) -> None:
        """Makes the proxy listen for a conversation."""
        self._ask("open", conversation_id, f"open conversation {conversation_id}")

    def close(self, conversation_id: str) -> None:
        """Makes the proxy forget a conversation and remove its socket."""
        self._ask("close", conversation_id, f"close conversation {conversation_id}")

    def environment(self, conversation_id: str) -> dict[str, str]:
        """The variables that make clients in a container use the proxy's routes. No secret is in them."""
        what = f"read the environment of conversation {conversation_id}"
        variables: dict[str, str] = self._ask("environment", conversation_id, what)["environment"]
        return variables

    def conversations(self) -> frozenset[str]:
        """The conversations that the proxy listens for."""
        return frozenset(self._ask("list", None, "list the conversations")["conversations"])

    def _ask(self, operation: str, conversation_id: str | None, what: str) -> dict[str, Any]:
        question = {"op": operation, **({"conversation": conversation_id} if conversation_id else {})}
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_TIMEOUT)
                connection.connect(self._path)
                connection.sendall(json.dumps(question).encode() + b"\n")
                with connection.makefile("rb") as stream:
                    line = stream.readline(_LONGEST_ANSWER)
            answer = json.loads(line)
        except (OSError, ValueError) as error:
            raise WorkspaceError(
                f"cannot {what} at the credential proxy ({self._path}): {error or 'no answer'}; "
                "apply the role credential_proxy to this host and see that its service runs, or set proxy: false"
            ) from error
        if not isinstance(answer, dict) or answer.get("ok") is not True:
            reason = answer.get("error", "no reason given") if isinstance(answer, dict) else "odd answer"
            raise WorkspaceError(
                f"cannot {what} at the credential proxy ({self._path}): {reason}; see the journal of its service, and "
                "apply the role credential_proxy again if the service is older than this collection"
            )
        return answer
