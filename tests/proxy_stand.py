# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy as a real process, and upstreams with TLS on loopback that remember every byte they get."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE_PARENT = ROOT / "roles/credential_proxy/files"
KEY = "sk-ant-real-0123456789abcdef"
HOST = "api.test"


class Certificates:
    """A throw-away authority and a certificate for the upstream's name."""

    def __init__(self, directory: Path) -> None:
        self.ca = directory / "ca.pem"
        self.cert = directory / "server.pem"
        self.key = directory / "server.key"
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        ca_key = directory / "ca.key"
        authority = ["-subj", "/CN=test authority", "-addext", "keyUsage=critical,keyCertSign"]
        self._run([*new, "-keyout", ca_key, "-out", self.ca, "-days", "2", *authority])
        names = [
            "-addext",
            f"subjectAltName=DNS:{HOST},DNS:*.eu-central-1.{HOST}",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]
        signed = [*names, "-CA", self.ca, "-CAkey", ca_key]
        self._run([*new, "-keyout", self.key, "-out", self.cert, "-days", "2", "-subj", f"/CN={HOST}", *signed])

    @staticmethod
    def _run(command: list[Any]) -> None:
        subprocess.run(command, check=True, capture_output=True)


def http_answer(head: bytes, body: bytes = b"") -> bytes:
    """Write an answer with its length."""
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (head, len(body), body)


class Recorder:
    """A TLS server that keeps all bytes of every connection and answers through a replaceable function."""

    def __init__(self, certificates: Certificates, *, remembers: bool = True, port: int = 0) -> None:
        self.connections: list[bytearray] = []
        self._remembers = remembers
        self.answer: Callable[[ssl.SSLSocket, bytes], bool] = self.plain_answer
        self.before_reading: Callable[[], None] = lambda: None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificates.cert, certificates.key)
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[ssl.SSLSocket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def received(self) -> bytes:
        """Return everything that ever arrived."""
        return b"".join(bytes(data) for data in self.connections)

    @staticmethod
    def plain_answer(sock: ssl.SSLSocket, _request: bytes) -> bool:
        """Answer 200 and keep the connection."""
        sock.sendall(http_answer(b"200 OK", b"ok"))
        return True

    def close(self) -> None:
        """Stop accepting, hang up on whoever keeps a connection open, and wait for the threads."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            raw.settimeout(20)
            thread = threading.Thread(target=self._serve, args=(raw,), daemon=True)
            if self._remembers:
                self._threads.append(thread)
            thread.start()

    def _serve(self, raw: socket.socket) -> None:
        with raw, contextlib.suppress(OSError), self.context.wrap_socket(raw, server_side=True) as sock:
            self._open.add(sock)
            data = bytearray()
            if self._remembers:
                self.connections.append(data)
            try:
                self.before_reading()
                self._converse(sock, data)
            finally:
                self._open.discard(sock)

    def _converse(self, sock: ssl.SSLSocket, data: bytearray) -> None:
        start = 0
        while True:
            end = data.find(b"\r\n\r\n", start)
            if end >= 0:
                length = 0
                for line in bytes(data[start:end]).split(b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                if len(data) >= end + 4 + length:
                    request = bytes(data[start : end + 4 + length])
                    start = end + 4 + length
                    if not self._remembers:
                        del data[:start]
                        start = 0
                    if not self.answer(sock, request):
                        return
                    continue
            piece = sock.recv(65536)
            if not piece:
                return
            data += piece


class Proxy:
    """The service as a process with a directory of its own."""

    def __init__(self, certificates: Certificates, port: int, **route: Any) -> None:
        # Not pytest's own directory: its long name would not fit into a socket's address.
        self.directory = Path(tempfile.mkdtemp(prefix="cp-"))
        self.config = self.directory / "config.json"
        self.audit_log = self.directory / "audit.jsonl"
        self.control_socket = self.directory / "control.sock"
        self.credentials = self.directory / "credentials"
        self.credentials.mkdir()
        (self.credentials / "anthropic").write_text(KEY + "\n")
        settings = {
            "name": "anthropic",
            "type": "anthropic",
            "prefix": "/",
            "host": HOST,
            "credential": "anthropic",
            "address": f"127.0.0.1:{port}",
            "ca_file": str(certificates.ca),
            **route,
        }
        self.settings: dict[str, Any] = {
            "conversations_directory": str(self.directory / "c"),
            "state_directory": str(self.directory),
            "control_socket": str(self.control_socket),
            "metrics_socket": str(self.directory / "metrics.sock"),
            "audit_log": str(self.audit_log),
            "routes": [{key: value for key, value in settings.items() if value is not None}],
        }
        self.configure()
        self.environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), "PYTHONWARNINGS": "error"}
        self.python = sys.executable
        self.process: subprocess.Popen[bytes] | None = None
        self.errors = ""

    def configure(self, **changes: Any) -> None:
        """Write the configuration, with other values for some keys."""
        self.settings |= changes
        self.config.write_text(json.dumps(self.settings))

    def reload(self) -> dict[str, Any]:
        """Have the service take configuration and credentials, as the unit's reload does."""
        credentials = {file.name: file.read_text() for file in self.credentials.iterdir()}
        return self.control(op="reload", credentials=credentials)

    def command(self, *extra: str) -> list[str]:
        """Return the command line."""
        package = [self.python, "-m", "credential_proxy", "--config", str(self.config)]
        return [*package, "--credentials-directory", str(self.credentials), *extra]

    def start(self) -> None:
        """Start, and wait until the control socket answers."""
        with (self.directory / "stderr").open("ab") as errors:
            self.process = subprocess.Popen(self.command(), env=self.environment, stderr=errors)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(self.stderr())
            try:
                assert self.control(op="health")["ok"]
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("the proxy did not start: " + self.stderr())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop and return the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def clean_up(self) -> None:
        """Stop if necessary; a traceback on standard error is a failure of any test."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        errors = self.stderr()
        shutil.rmtree(self.directory)
        assert "Traceback" not in errors, errors

    def stderr(self) -> str:
        """Return what the service complained about."""
        return (self.directory / "stderr").read_text()

    def control(self, **order: Any) -> dict[str, Any]:
        """Send one order to the control socket."""
        return self.control_line(json.dumps(order).encode() + b"\n")

    def control_line(self, line: bytes) -> dict[str, Any]:
        """Send one raw line to the control socket."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(str(self.control_socket))
            sock.sendall(line)
            with sock.makefile("rb") as reader:
                reply: dict[str, Any] = json.loads(reader.readline())
        return reply

    def connect(self, conversation: str = "demo") -> socket.socket:
        """Connect as the conversation's container would."""
        reply = self.control(op="open", conversation=conversation)
        assert reply["ok"], reply
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        sock.connect(reply["socket"])
        return sock

    def exchange(self, raw: bytes, conversation: str = "demo") -> bytes:
        """Send bytes, end the sending side, and read everything that comes back."""
        with self.connect(conversation) as sock:
            try:
                sock.sendall(raw)
                sock.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return read_all(sock)

    def audit(self) -> list[dict[str, Any]]:
        """Return the audit log's records."""
        return [json.loads(line) for line in self.audit_log.read_text("ascii").splitlines()]


def read_all(sock: socket.socket) -> bytes:
    """Read until the end; a reset ends an answer as well."""
    data = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


class Relay:
    """A TCP server on loopback with a thread for each client; what it does with one is its subclass's affair."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def serve(self, client: socket.socket) -> None:
        """Serve one client, who is closed afterwards."""
        raise NotImplementedError

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            self.serve(client)


def join(client: socket.socket, server: socket.socket) -> None:
    """Pass bytes between two sockets, both ways, until both sides have ended."""
    up = threading.Thread(target=_pump, args=(client, server), daemon=True)
    up.start()
    _pump(server, client)
    up.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for side in (source, sink):
            with contextlib.suppress(OSError):  # It is gone already.
                side.shutdown(socket.SHUT_RDWR)


class Forwarder(Relay):
    """What runs in a container: a TCP port on loopback that leads to the conversation's socket."""

    def __init__(self, path: str, port: int = 0) -> None:
        self._path = path
        super().__init__(port)
        self.url = f"http://127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        """Lead one client to the socket."""
        with socket.socket(socket.AF_UNIX) as inner:
            inner.connect(self._path)
            join(client, inner)
