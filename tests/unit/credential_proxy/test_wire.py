# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole service on real sockets: unix towards the client, TLS towards the upstream."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PLAIN = b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
MODELS = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
# Of TLS, in bytes of content (RFC 8446, 5.1).
LARGEST_RECORD = 16384


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_client_credentials_are_replaced(proxy: Any, recorder: Any, real_key: str) -> None:
    raw = PLAIN.replace(
        b"Host: localhost\r\n",
        b"Host: evil.test\r\nX-Api-Key: sk-attacker\r\nx-api-key: sk-attacker\r\nAuthorization: Bearer attacker\r\n"
        b"Cookie: attacker=1\r\nX-Amz-Security-Token: attacker\r\nanthropic-beta: b1\r\n"
        b"Connection: x-api-key, close\r\n",
    )
    assert proxy.exchange(raw).startswith(b"HTTP/1.1 200 OK\r\n")
    (request,) = recorder.connections
    assert request.count(real_key.encode()) == 1
    assert b"attacker" not in request
    assert b"evil" not in request
    assert b"host: api.test\r\n" in request
    assert b"anthropic-beta: b1\r\n" in request
    assert request.startswith(b"POST /v1/messages?beta=true HTTP/1.1\r\n")
    assert request.endswith(b"\r\n\r\n{}")


def test_audit_names_decision_and_end(proxy: Any, real_key: str) -> None:
    proxy.exchange(PLAIN)
    proxy.exchange(
        b"POST /v1/files HTTP/1.1\r\nHost: a\r\nX-Api-Key: sk-attacker\r\nContent-Length: 1\r\n\r\nx", "other"
    )
    proxy.stop()
    records = proxy.audit()
    assert [record["event"] for record in records] == ["start", "decision", "end", "decision", "stop"]
    decision, end, denied = records[1:4]
    assert (
        decision | {"workspace": "demo", "verdict": "allow", "route": "anthropic", "path": "/v1/messages"} == decision
    )
    assert decision["peer_uid"] == os.getuid()
    assert decision["peer_pid"] == os.getpid()
    assert end | {"request": decision["seq"], "verdict": "served", "status": 200, "bytes_in": 2} == end
    assert end["upstream"] == "127.0.0.1"
    assert denied | {"workspace": "other", "verdict": "deny", "rule": "path", "status": 403} == denied
    text = proxy.audit_log.read_text()
    assert real_key not in text
    assert "attacker" not in text
    assert "beta" not in text


def test_hello_is_answered_without_upstream(proxy: Any, recorder: Any) -> None:
    answer = proxy.exchange(b"HEAD /api/hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    assert recorder.connections == []


def test_refusal_can_be_read_although_the_client_is_still_sending(proxy: Any, recorder: Any) -> None:
    with proxy.connect() as sock:
        sock.sendall(b"POST /v1/files HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(b"x" * 3_000_000)
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 403 Forbidden: this path is not on the list")
    assert recorder.connections == []


def test_pipelined_requests_are_answered_in_order(proxy: Any, recorder: Any) -> None:
    bad = b"GET /v1/organizations HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = proxy.exchange(PLAIN + MODELS + bad + MODELS)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b"HTTP/1.1 403 ") == 1
    assert recorder.received.count(b"x-api-key: ") == 2
    assert len(recorder.connections) == 1, "the upstream connection is used again"


def test_chunked_request_goes_up_with_its_length(proxy: Any, recorder: Any) -> None:
    head = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    proxy.exchange(head + b"3;x=y\r\n123\r\n2\r\n45\r\n0\r\nAuthorization: x\r\n\r\n")
    assert b"content-length: 5\r\n" in recorder.received
    assert recorder.received.endswith(b"\r\n\r\n12345")
    assert b"transfer-encoding" not in recorder.received


def test_large_body_in_small_pieces(streaming: Any, recorder: Any) -> None:
    body = bytes(range(256)) * 8000
    with streaming.connect() as sock:
        sock.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 5000):
            sock.sendall(body[at : at + 5000])
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
    assert recorder.received.endswith(body)


def test_large_held_body_to_a_slow_upstream(streaming: Any, recorder: Any) -> None:
    body = os.urandom(1 << 16) * 128
    recorder.before_reading = lambda: time.sleep(0.5)
    head = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = streaming.exchange(head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert recorder.received.endswith(body)


def test_large_answer_to_a_slow_reader(proxy: Any, recorder: Any) -> None:
    body = os.urandom(1 << 16) * 96

    def answer(sock: ssl.SSLSocket, _request: bytes) -> bool:
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        return True

    recorder.answer = answer
    with proxy.connect() as sock:
        sock.sendall(MODELS)
        time.sleep(0.3)
        data = b""
        while len(data.partition(b"\r\n\r\n")[2]) < len(body):
            data += sock.recv(1 << 20)
    assert data.partition(b"\r\n\r\n")[2] == body


def test_expect_continue(proxy: Any) -> None:
    with proxy.connect() as sock:
        sock.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"{}")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")


def test_echo_of_the_secret_is_cut(proxy: Any, recorder: Any, real_key: str) -> None:
    def echo(sock: ssl.SSLSocket, request: bytes) -> bool:
        key = request.rpartition(b"x-api-key: ")[2].partition(b"\r\n")[0]
        assert key.decode() == real_key
        sock.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nok: \r\n")
        for half in (key[:10], key[10:]):
            time.sleep(0.05)
            sock.sendall(b"%x\r\n%s\r\n" % (len(half), half))
        return False

    recorder.answer = echo
    answer = proxy.exchange(PLAIN)
    assert answer.endswith(b"4\r\nok: \r\n")
    proxy.stop()
    assert proxy.audit()[-2]["rule"] == "secret-echo"


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "upstream-answer"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "upstream-answer"),
        (b"", "upstream-cut"),
    ],
)
def test_bad_upstream(proxy: Any, recorder: Any, raw: bytes, rule: str) -> None:
    def answer(sock: ssl.SSLSocket, _request: bytes) -> bool:
        sock.sendall(raw)
        return False

    recorder.answer = answer
    reply = proxy.exchange(PLAIN)
    assert reply.startswith(b"HTTP/1.1 502 Bad Gateway: ")
    assert f"rule {rule}".encode() in reply


def test_early_answer_reaches_the_client_and_ends_the_connection(streaming: Any, recorder: Any) -> None:
    def serve_at_once(sock: ssl.SSLSocket, _data: bytearray) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
        time.sleep(0.2)

    recorder._converse = serve_at_once
    with streaming.connect() as sock:
        sock.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")
        answer = sock.recv(65536)
    assert answer == b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig"


def test_short_body_never_completes_upstream(streaming: Any, recorder: Any) -> None:
    raw = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this"
    with streaming.connect() as sock:
        sock.sendall(raw)
        wait_for(lambda: b"only this" in recorder.received)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert recorder.received.endswith(b"\r\n\r\nonly this")


def test_wrong_name_wrong_authority_and_no_upstream(make_proxy: Any, recorder: Any) -> None:
    for changes, rule in (
        ({"host": "other.test"}, "upstream-tls"),
        ({"ca_file": None}, "upstream-tls"),
        ({"address": "127.0.0.1:1"}, "upstream-connect"),
        ({"address": None, "host": "localhost"}, "address-guard"),
    ):
        service = make_proxy(recorder.port, **changes)
        service.start()
        assert f"rule {rule}".encode() in service.exchange(PLAIN), changes
    assert recorder.received == b""


def test_upstream_that_goes_away_between_requests(proxy: Any, recorder: Any) -> None:
    recorder.answer = lambda sock, request: not recorder.plain_answer(sock, request)
    for _ in range(3):
        assert proxy.exchange(PLAIN).startswith(b"HTTP/1.1 200")
        time.sleep(0.05)
    assert len(recorder.connections) == 3


def test_aborts_at_every_point(proxy: Any) -> None:
    raw = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
    for length in range(0, len(raw) + 1, 3):
        for half_close in (True, False):
            with proxy.connect() as sock:
                sock.sendall(raw[:length])
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
    assert proxy.exchange(PLAIN).startswith(b"HTTP/1.1 200")
    assert proxy.process.poll() is None


def test_idle_service_does_not_spin(proxy: Any, recorder: Any) -> None:
    """Half-closed, hung-up and paused connections are the classic ways to spin an epoll loop."""

    def endless(sock: ssl.SSLSocket, _request: bytes) -> bool:
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 900000000\r\n\r\n")
        try:
            while True:
                sock.sendall(b"x" * 65536)
        except OSError:
            return False

    recorder.answer = endless
    with proxy.connect("half") as half, proxy.connect("slow") as slow, proxy.connect("idle"):
        half.sendall(PLAIN)
        half.shutdown(socket.SHUT_WR)
        slow.sendall(PLAIN)

        def ticks() -> int:
            fields = Path(f"/proc/{proxy.process.pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])

        def rests() -> bool:
            before = ticks()
            time.sleep(0.5)
            return ticks() - before <= 2

        wait_for(rests)


def test_conversations_are_opened_listed_and_closed(proxy: Any) -> None:
    first = proxy.control(op="open", conversation="a")
    assert first["changed"] is True
    assert proxy.control(op="open", conversation="a") == {**first, "changed": False}
    path = Path(first["socket"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o711
    proxy.control(op="open", conversation="b")
    assert proxy.control(op="list") == {"ok": True, "conversations": ["a", "b"], "active": {}}
    with proxy.connect("a") as sock:
        assert proxy.control(op="close", conversation="a") == {"ok": True, "changed": True}
        assert sock.recv(10) == b"", "closing a conversation cuts its connections"
    assert proxy.control(op="close", conversation="a") == {"ok": True, "changed": False}
    assert not path.parent.exists()
    assert proxy.control(op="list")["conversations"] == ["b"]


def test_lost_socket_file_is_made_again(proxy: Any) -> None:
    Path(proxy.control(op="open", conversation="a")["socket"]).unlink()
    assert proxy.control(op="open", conversation="a")["changed"] is True
    assert proxy.exchange(PLAIN, "a").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"op": "open", "conversation": "../x"}\n', b"x" * 300_000])
def test_bad_orders_get_an_answer(proxy: Any, line: bytes) -> None:
    reply = proxy.control_line(line)
    assert reply["ok"] is False
    assert reply["error"].startswith("cannot ")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_only_root_may_use_the_control_socket(proxy: Any) -> None:
    """The socket's mode already keeps others out; this opens it, to see the second lock."""
    proxy.directory.chmod(0o755)
    proxy.control_socket.chmod(0o666)
    os.seteuid(65534)
    try:
        reply = proxy.control(op="list")
    finally:
        os.seteuid(0)
    assert reply == {
        "ok": False,
        "error": "cannot obey: only root may use the control socket; run this as root",
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_restart_brings_every_socket_back(proxy: Any, number: int) -> None:
    path = Path(proxy.control(op="open", conversation="keep")["socket"])
    (proxy.directory / "c" / "not a conversation").mkdir()
    directory = os.open(path.parent, os.O_PATH)
    code = proxy.stop(number)
    assert code == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    proxy.start()
    assert proxy.control(op="list")["conversations"] == ["keep"]
    with socket.socket(socket.AF_UNIX) as sock:
        # Through the directory that a container would have mounted all the time.
        sock.connect(f"/proc/self/fd/{directory}/proxy.sock")
        sock.sendall(MODELS)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
    os.close(directory)
    assert "left alone" in proxy.stderr()


def test_sigterm_lets_a_stream_finish(proxy: Any, recorder: Any) -> None:
    def slow(sock: ssl.SSLSocket, _request: bytes) -> bool:
        sock.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(5):
            sock.sendall(b"3\r\nabc\r\n")
            time.sleep(0.1)
        sock.sendall(b"0\r\n\r\n")
        return True

    recorder.answer = slow
    with proxy.connect() as sock, proxy.connect() as idle:
        sock.sendall(PLAIN)
        assert sock.recv(30)
        proxy.process.send_signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        data = b""
        while piece := sock.recv(65536):
            data += piece
    assert data.endswith(b"0\r\n\r\n")
    assert proxy.process.wait(timeout=10) == 0
    assert proxy.audit()[-2]["verdict"] == "served"


def test_nothing_is_served_when_the_audit_log_cannot_be_written(proxy: Any, recorder: Any) -> None:
    subprocess.run(["prlimit", f"--pid={proxy.process.pid}", "--fsize=300:"], check=True)
    answers = [proxy.exchange(PLAIN) for _ in range(4)]
    assert answers[-1].startswith(b"HTTP/1.1 503 Service Unavailable: the audit log cannot be written")
    served = len(recorder.connections[0].split(b"POST ")) - 1 if recorder.connections else 0
    assert served == sum(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert proxy.control(op="health")["audit"] is False
    subprocess.run(["prlimit", f"--pid={proxy.process.pid}", "--fsize=unlimited:"], check=True)
    assert proxy.exchange(PLAIN).startswith(b"HTTP/1.1 200")
    assert proxy.control(op="health")["audit"] is True


def test_sighup_reopens_the_log(proxy: Any) -> None:
    proxy.exchange(PLAIN)
    old = proxy.audit_log.rename(proxy.directory / "old.jsonl")
    proxy.process.send_signal(signal.SIGHUP)
    wait_for(proxy.audit_log.exists)
    proxy.exchange(PLAIN)
    assert [json.loads(line)["seq"] for line in old.read_text().splitlines()] == [1, 2, 3]
    assert [record["seq"] for record in proxy.audit()] == [4, 5]


def test_secret_is_not_in_the_process_table(proxy: Any, real_key: str) -> None:
    for name in ("environ", "cmdline"):
        assert real_key.encode() not in Path(f"/proc/{proxy.process.pid}/{name}").read_bytes()


def test_connections_are_limited_per_conversation(proxy: Any) -> None:
    waiting = [proxy.connect("greedy") for _ in range(130)]
    time.sleep(0.3)
    waiting[-1].sendall(MODELS)
    waiting[-1].settimeout(0.3)
    with pytest.raises(TimeoutError):
        waiting[-1].recv(10)
    assert proxy.exchange(MODELS, "other").startswith(b"HTTP/1.1 200"), "others do not notice"
    for sock in waiting[:-1]:
        sock.close()
    waiting[-1].settimeout(10)
    assert waiting[-1].recv(65536).startswith(b"HTTP/1.1 200")
    waiting[-1].close()


def test_check_config_reports_all_problems(proxy: Any) -> None:
    environment = proxy.environment
    assert subprocess.run(proxy.command("--check-config"), env=environment).returncode == 0
    settings = json.loads(proxy.config.read_text())
    settings["routes"][0]["ca_file"] = "/nonexistent.pem"
    proxy.config.write_text(json.dumps(settings))
    (proxy.directory / "credentials" / "anthropic").write_text("short")
    run = subprocess.run(proxy.command("--check-config"), env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert "cannot use ca_file /nonexistent.pem" in run.stderr
    assert "cannot use credential anthropic" in run.stderr
    assert "Traceback" not in run.stderr


def test_tls_records_that_come_together_are_all_read(proxy: Any, recorder: Any) -> None:
    pieces = [b"p" * size for size in (1, 100, LARGEST_RECORD - 1, 5, LARGEST_RECORD) * 4]

    answered = threading.Event()

    def answer(sock: Any, _request: bytes) -> bool:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        for piece in (b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % sum(map(len, pieces)), *pieces):
            sock.sendall(piece)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        # Nothing that comes later, not even an end, may be what makes the last one read.
        answered.wait()
        return True

    recorder.answer = answer
    try:
        got = proxy.exchange(MODELS)
    finally:
        answered.set()
    assert got.partition(b"\r\n\r\n")[2] == b"".join(pieces)
