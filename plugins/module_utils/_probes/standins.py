# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What an attack is led to: stand-ins on the host that answer, so that a refusal inside means something.

They listen on loopback, on sockets in a directory of their own and under an abstract name, only while probes run. Each
answers with the token of the run. One of them is a proxy that opens everything: what the credential proxy must not be.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .defences import FAKE_CREDENTIAL

HOME = Path("/run/bulkhead-probe")
_SHARED_MEMORY = Path("/dev/shm")
_OWNER = "owner"


@dataclass(frozen=True, kw_only=True)
class StandIns:
    """Where they are. `foreign` holds a file, a socket and a credential that belong to nobody inside."""

    token: str
    tcp: tuple[str, int]
    udp: tuple[str, int]
    abstract: str
    foreign: Path


def is_running(token: str) -> bool:
    """Whether the run of a token is still under way."""
    try:
        os.kill(int((HOME / token / _OWNER).read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


def forget(token: str) -> None:
    """Removes what a run that was killed had put on the host."""
    shutil.rmtree(HOME / token, ignore_errors=True)
    (_SHARED_MEMORY / f"bulkhead-companion-{token}").unlink(missing_ok=True)


def _serve(stack: contextlib.ExitStack, listener: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    stack.callback(listener.close)
    # Closing alone does not wake a thread that waits in accept().
    stack.callback(lambda: _quietly(lambda: listener.shutdown(socket.SHUT_RDWR)))

    def loop() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=_answer, args=(connection, answer), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


def _answer(connection: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    with connection:
        connection.settimeout(10)
        _quietly(lambda: answer(connection))


def _quietly(act: Callable[[], object]) -> None:
    with contextlib.suppress(OSError, ValueError):
        act()


def _answer_datagrams(server: socket.socket, token: str) -> None:
    while True:
        try:
            sender = server.recvfrom(512)[1]
            if sender is None:
                # Nobody sent anything: the socket was shut down.
                return
            server.sendto(f"stand-in {token}".encode(), sender)
        except OSError:
            return


def _open_proxy(connection: socket.socket, token: str, own: tuple[str, int]) -> None:
    """Does what it is asked to. The metadata service is stood in for, so that no cloud is needed."""
    request = connection.recv(65536).decode(errors="replace")
    words = request.split()
    target = words[1] if words[0] == "CONNECT" else words[1].removeprefix("http://").partition("/")[0]
    header = next((line[6:] for line in request.splitlines() if line.lower().startswith("host: ")), "")
    host, _colon, port = (target if target and not words[1].startswith("/") else header).rpartition(":")
    if not port.isdigit():
        body = f"stand-in {token}, credential {FAKE_CREDENTIAL}"
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        return
    address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0][4]
    if words[0] == "CONNECT":
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        request = connection.recv(65536).decode(errors="replace")
    metadata = str(address[0]).endswith("169.254.169.254") or str(address[0]).endswith("a9fe:a9fe")
    with socket.create_connection(own if metadata else (str(address[0]), int(port)), timeout=5) as upstream:
        upstream.sendall(request.encode())
        connection.sendall(upstream.recv(65536))


def _listen(family: int, address: object) -> socket.socket:
    listener = socket.socket(family)
    listener.bind(address)  # type: ignore[arg-type]
    listener.listen(16)
    return listener


@contextlib.contextmanager
def standing_in(token: str) -> Iterator[StandIns]:
    """Everything is there inside the block, and gone after it."""
    greeting = f"HTTP/1.0 200 OK\r\n\r\nstand-in {token}\n".encode()

    def greet(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(greeting)

    with contextlib.ExitStack() as stack:
        foreign = HOME / token
        stack.callback(shutil.rmtree, foreign, ignore_errors=True)
        for directory in (foreign, foreign / "open", foreign / "neighbour"):
            directory.mkdir(parents=True)
            directory.chmod(0o755)
        (foreign / _OWNER).write_text(str(os.getpid()))
        marker = f"bulkhead-companion-{token}"
        (foreign / "neighbour" / marker).write_text(token)
        (foreign / "credential").write_text(f"ANTHROPIC_API_KEY={FAKE_CREDENTIAL}\n")
        shared = _SHARED_MEMORY / marker
        stack.callback(shared.unlink, missing_ok=True)
        shared.write_text(token)
        tcp = _listen(socket.AF_INET, ("127.0.0.1", 0))
        own = tcp.getsockname()
        _serve(stack, tcp, greet)
        # Both families, for the spelling of IPv4 addresses inside IPv6.
        with contextlib.suppress(OSError):
            _serve(stack, _listen(socket.AF_INET6, ("::1", own[1])), greet)
        _serve(stack, _listen(socket.AF_UNIX, f"\0{marker}"), greet)
        for path, answer in (
            (foreign / "neighbour" / "proxy.sock", greet),
            (foreign / "open" / "proxy.sock", lambda connection: _open_proxy(connection, token, own)),
        ):
            _serve(stack, _listen(socket.AF_UNIX, str(path)), answer)
            path.chmod(0o666)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", 0))
        stack.callback(datagrams.close)
        stack.callback(lambda: _quietly(lambda: datagrams.shutdown(socket.SHUT_RDWR)))
        threading.Thread(target=_answer_datagrams, args=(datagrams, token), daemon=True).start()
        yield StandIns(token=token, tcp=own, udp=datagrams.getsockname(), abstract=marker, foreign=foreign)
    with contextlib.suppress(OSError):
        HOME.rmdir()
