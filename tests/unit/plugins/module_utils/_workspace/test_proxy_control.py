# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control protocol over a real unix socket, with answers good, bad and missing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import WorkspaceError
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.proxy_control import ProxyControl

Serve = Callable[[bytes], tuple[ProxyControl, list[bytes]]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A server that gives one answer and keeps the question."""
    listener = socket.socket(socket.AF_UNIX)
    path = tmp_path / "control.sock"
    listener.bind(str(path))
    listener.listen(1)
    threads: list[threading.Thread] = []

    def start(answer: bytes) -> tuple[ProxyControl, list[bytes]]:
        questions: list[bytes] = []

        def once() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                questions.append(stream.readline())
                connection.sendall(answer)

        threads.append(threading.Thread(target=once))
        threads[-1].start()
        return ProxyControl(str(path)), questions

    yield start
    for thread in threads:
        thread.join(timeout=5)
    listener.close()


def test_a_conversation_is_opened_with_one_line(serve: Serve) -> None:
    proxy, questions = serve(b'{"ok": true, "socket": "/x", "changed": true}\n')
    proxy.open("demo")
    assert [json.loads(question) for question in questions] == [{"op": "open", "conversation": "demo"}]


def test_the_list_tells_what_is_open(serve: Serve) -> None:
    proxy, _ = serve(b'{"ok": true, "conversations": ["demo"]}\n')
    assert "demo" in proxy.conversations()


def test_the_environment_is_what_the_proxy_says(serve: Serve) -> None:
    proxy, questions = serve(b'{"ok": true, "environment": {"PIP_INDEX_URL": "http://127.0.0.1:9080/pypi/simple"}}\n')
    assert proxy.environment("demo") == {"PIP_INDEX_URL": "http://127.0.0.1:9080/pypi/simple"}
    assert [json.loads(question) for question in questions] == [{"op": "environment", "conversation": "demo"}]


def test_a_proxy_that_is_too_old_to_tell_it_is_named_with_the_cure(serve: Serve) -> None:
    proxy, _ = serve(b'{"ok": false, "error": "unknown operation"}\n')
    with pytest.raises(WorkspaceError, match=r"cannot read the environment of conversation demo .* older than this"):
        proxy.environment("demo")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b'{"ok": false, "error": "disk full"}\n', "disk full"),
        (b"", "Expecting value"),
        (b"nonsense\n", "Expecting value"),
        (b"[1]\n", "odd answer"),
        (b"{}\n", "no reason given"),
    ],
)
def test_anything_but_a_yes_is_an_error(serve: Serve, answer: bytes, message: str) -> None:
    proxy, _ = serve(answer)
    with pytest.raises(WorkspaceError, match=f"cannot open conversation demo at the credential proxy .*{message}"):
        proxy.open("demo")


def test_a_missing_proxy_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="apply the role credential_proxy"):
        ProxyControl(str(tmp_path / "missing.sock")).conversations()
