# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of the proxy in threads, and what its process holds: for the tests under stress."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from proxy_stand import Proxy

MODELS = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)


def message(body: bytes = b"{}") -> bytes:
    """Write a request with a body."""
    return b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def connected(path: str) -> socket.socket:
    """Connect to a conversation's socket, as soon as there is room in its queue."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    sock.settimeout(30)
    return sock


def read_answer(sock: socket.socket) -> bytes:
    """Read one answer that has a length, whole; what there is when the connection ends before."""
    data = b""
    while True:
        head, end, body = data.partition(b"\r\n\r\n")
        if end:
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
            )
            if len(body) >= length:
                return data
        piece = sock.recv(65536)
        if not piece:
            return data
        data += piece


def reset(sock: socket.socket) -> None:
    """End a TCP connection with a reset; the descriptor is closed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    socket.socket.close(sock)


@contextlib.contextmanager
def many(count: int, act: Callable[[int], None]) -> Iterator[threading.Event]:
    """Have threads repeat an act until the block ends; the first failure sets the event, and is raised at the end."""
    over, failures = threading.Event(), []

    def repeat(number: int) -> None:
        try:
            while not over.is_set():
                act(number)
        except BaseException as error:
            failures.append(error)
            over.set()

    threads = [threading.Thread(target=repeat, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield over
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=60)
    if failures:
        raise failures[0]


def resident_kb(proxy: Proxy) -> int:
    """Return how much memory the service has."""
    assert proxy.process is not None
    lines = Path(f"/proc/{proxy.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def descriptors(proxy: Proxy) -> int:
    """Return how many descriptors the service has open."""
    assert proxy.process is not None
    return len(list(Path(f"/proc/{proxy.process.pid}/fd").iterdir()))


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: it did not happen in {seconds:g} seconds")
        time.sleep(0.02)
