# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong around the proxy, done to it for real. After each fault: the audit chain verifies, every allowed
request has its end, no descriptor is left over, and the service answers.

    faults.py [NAME ...] [SIZE]

It needs mounts of its own. All at full size is ``make long-proxy``; the tests run smaller.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "roles/credential_proxy/files"))

from credential_proxy.limits import UNSERVED_AT_ONCE
from proxy_stand import KEY, Recorder, http_answer

from proxy.load import MODELS, connected, descriptors, many, message, read_answer, reset, resident_kb, wait_for
from proxy.stand import Stand

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n"
DAY = 86400
TUNNEL = "git.eu-central-1.api.test"
CHUNKED = (
    b"POST /v1/messages HTTP/1.1\r\nHost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
)
# Much work for few bytes: refusals, answers, trailers, tiny chunks, a hello in tiny records.
HOSTILE = (
    b"GET /v1/files HTTP/1.1\r\nHost: a\r\n\r\n" * 20,
    MODELS * 20,
    CHUNKED + b"0\r\n" + b"a: b\r\n" * 8000,
    CHUNKED + b"1\r\n{\r\n" * 10_000,
    f"CONNECT {TUNNEL}:443 HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    + b"".join(b"\x16\x03\x01\0\1" + bytes([byte]) for byte in b"\1\0\x3f" + bytes(2000)),
)


def upstream(stand: Stand) -> str:
    """Down, slow, reset before, in and after the head, too short, too long, half a chunk."""

    def told(*pieces: bytes, wait: float = 0.0, breaks: bool = False) -> Callable[[ssl.SSLSocket, bytes], bool]:
        def answer(sock: ssl.SSLSocket, _request: bytes) -> bool:
            for piece in pieces:
                time.sleep(wait)
                sock.sendall(piece)
            if breaks:
                reset(sock)
            return False

        return answer

    head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    cases = {
        # It says that it closes: else the next request might be on its way when it does.
        "slow": (
            told(*(bytes([byte]) for byte in http_answer(b"200 OK\r\nconnection: close", b"ok")), wait=0.002),
            b" 200 ",
        ),
        "reset before": (told(breaks=True), b" 502 "),
        "reset in the head": (told(head[:20], breaks=True), b" 502 "),
        "reset in the body": (told(head + b"abc", breaks=True), b" 200 "),
        "too short": (told(head + b"abc"), b" 200 "),
        "too long": (told(head + b"0123456789HTTP/1.1 200 OK\r\n\r\n"), b" 200 "),
        "half a chunk": (told(chunked + b"ff\r\nabc"), b" 200 "),
        "nonsense": (told(b"\x16\x03\x01 this is no HTTP\r\n\r\n"), b" 502 "),
    }
    for name, (answer, status) in cases.items():
        stand.recorder.answer = answer
        for _ in range(stand.times(20)):
            got = stand.ask()
            assert status in got[:13] or ("reset in" in name and (not got or b" 502 " in got[:13])), (name, got)
            assert b"HTTP/1.1 200 OK\r\n\r\n" not in got[10:], "bytes after the answer were passed on"
    port = stand.recorder.port
    stand.recorder.close()
    wait_for(lambda: b" 502 " in stand.ask()[:13], "the upstream is down")
    stand.recorder = Recorder(stand.certificates, remembers=False, port=port)
    rules = {record.get("rule") for record in stand.ends()}
    assert {None, "upstream-cut", "upstream-answer", "upstream-connect"} <= rules, rules
    return f"{len(stand.ends())} requests, {len(cases) + 1} kinds of failure"


def rotation(stand: Stand) -> str:
    """The key changes again and again under load: nothing fails, and what begins after an order has the new key."""
    seen: list[str] = []
    of_turn: dict[bytes, str] = {}

    def answer(sock: ssl.SSLSocket, request: bytes) -> bool:
        head, _end, body = request.partition(b"\r\n\r\n")
        seen.append(head.partition(b"x-api-key: ")[2].partition(b"\r\n")[0].decode())
        of_turn[body] = seen[-1]
        return Recorder.plain_answer(sock, request)

    stand.recorder.answer = answer
    path = stand.path()

    def act(_number: int) -> None:
        with connected(path) as sock:
            for _ in range(20):
                sock.sendall(MODELS)
                assert read_answer(sock).startswith(b"HTTP/1.1 200 ")

    keys = {b"": KEY}
    with many(8, act):
        for turn in range(1, stand.times(200)):
            body = b'"turn %d"' % turn
            keys[body] = f"sk-ant-rotated-{turn:016}"
            (stand.proxy.credentials / "anthropic").write_text(keys[body])
            assert stand.proxy.reload() == {"ok": True}
            assert stand.ask(message(body)).startswith(b"HTTP/1.1 200 ")
            assert of_turn[body] == keys[body]
    assert set(seen) <= set(keys.values())
    return f"{len(keys)} keys under {len(seen)} requests, none lost, none with an older key"


def killed(stand: Stand) -> str:
    """SIGKILL at random moments under 200 streams and new requests; every socket comes back, no line is lost."""
    stand.recorder.answer = lambda sock, _request: sock.sendall(STREAM) is None
    choose, rounds = random.Random(6), stand.times(20)  # noqa: S311
    for _ in range(rounds):
        path = stand.path()
        streams = []
        for number in range(stand.times(200)):
            sock = connected(path if number < 100 else stand.path("other"))
            sock.sendall(MODELS)
            streams.append(sock)
        time.sleep(choose.random() * 0.3)
        stand.proxy.stop(signal.SIGKILL)
        for sock in streams:
            with contextlib.suppress(ConnectionResetError):
                read_to_end(sock)
            sock.close()
        stand.proxy.start()
    unclean = sum("missing" in record for record in stand.proxy.audit())
    assert not unclean, "lines that had been noted were lost"
    return f"{rounds} kills under {stand.times(200)} streams, {len(stand.proxy.audit())} lines"


def read_to_end(sock: socket.socket) -> None:
    """Read until the other side is gone."""
    while sock.recv(65536):
        pass


def aborts(stand: Stand) -> str:
    """Clients that hang up at every point of a request, 50,000 times; no memory or descriptor stays behind."""
    raw = message(b"9" * 400)
    count, memory = [0], []
    wanted = stand.times(50_000)
    # A conversation that causes more refusals than this would be let in slowly.
    names = [f"aborts-{number}" for number in range(wanted // UNSERVED_AT_ONCE + 2)]
    paths = [stand.proxy.control(op="open", conversation=name)["socket"] for name in names]
    guard = threading.Lock()

    def act(_number: int) -> None:
        with guard:
            count[0] += 1
            turn = count[0]
        with connected(paths[turn // UNSERVED_AT_ONCE]) as sock, contextlib.suppress(BrokenPipeError):
            sock.sendall(raw[: turn % len(raw)] if turn % 3 else raw)

    with many(8, act) as over:
        while count[0] < wanted and not over.is_set():
            time.sleep(0.05)
            memory.append(resident_kb(stand.proxy))
    wait_for(lambda: descriptors(stand.proxy) < 60 + len(paths), "the descriptors are given back")
    early, late = max(memory[: len(memory) // 3 + 1]), max(memory)
    assert late < early * 1.2 + 2000, (early, late)
    return f"{count[0]} aborted connections, {early} kB after a third, {late} kB at most"


def exhausted(stand: Stand) -> str:
    """More clients than descriptors; nobody is refused for good, and the operator's socket comes back."""
    limit = 80
    stand.proxy.stop()
    # A socket whose wrapping in TLS fails for want of a descriptor is left to its destructor by Python's ssl.
    del stand.proxy.environment["PYTHONWARNINGS"]
    stand.proxy.start()
    assert stand.proxy.process is not None
    path = stand.path()
    resource.prlimit(stand.proxy.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    stand.recorder.answer = lambda sock, _request: sock.sendall(STREAM) is None
    crowd = []
    for _ in range(120):
        sock = connected(path)
        sock.sendall(MODELS)
        crowd.append(sock)
    wait_for(lambda: "cannot accept connections" in stand.proxy.stderr(), "the descriptors are used up")
    seconds = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - seconds < 0.5
    for sock in crowd:
        sock.close()
    return f"{len(crowd)} streams with {limit} descriptors; it paused and went on"


def disk_full(stand: Stand) -> str:
    """The audit log's disk is full: nothing is served, what was not written is counted, and it goes on by itself."""
    proxy = stand.proxy
    disk = proxy.directory / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", disk], check=True)
    try:
        proxy.stop()
        proxy.audit_log = disk / "audit.jsonl"
        proxy.configure(audit_log=str(proxy.audit_log))
        proxy.start()
        served = refused = 0
        for _ in range(stand.times(5)):
            space = os.statvfs(disk)
            (disk / "ballast").write_bytes(bytes(space.f_bavail * space.f_frsize - 8192))
            answers = [stand.ask() for _ in range(40)]
            served += sum(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
            refused += sum(answer.startswith(b"HTTP/1.1 503 ") for answer in answers)
            assert answers[-1].startswith(b"HTTP/1.1 503 "), answers[-1]
            assert proxy.control(op="health")["audit"] is False
            (disk / "ballast").unlink()
            wait_for(lambda: stand.ask().startswith(b"HTTP/1.1 200 "), "the service goes on")
        lost = sum(record.get("lost", 0) for record in proxy.audit())
        assert lost >= refused, (lost, refused)
        stand.check(partial=True)
        proxy.stop()
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
    proxy.audit_log = proxy.directory / "audit.jsonl"
    proxy.configure(audit_log=str(proxy.audit_log))
    (proxy.directory / "audit.last").unlink()
    proxy.start()
    return f"{served} served, {refused} refused while the disk was full; the log says that {lost} lines are missing"


def clock_jump(stand: Stand) -> str:
    """The wall clock jumps a day ahead, and back, under a stream: it goes on, budgets turn with the day."""
    proxy, shift = stand.proxy, stand.proxy.directory / "clock"
    proxy.stop()
    shift.write_text("+0\n")
    fake = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(shift)}
    proxy.environment |= fake | {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    usage = b'{"model": "m", "usage": {"input_tokens": 5, "output_tokens": 5}}'
    go_on = threading.Event()

    def answer(sock: ssl.SSLSocket, request: bytes) -> bool:
        if request.startswith(b"GET"):
            sock.sendall(STREAM)
            go_on.wait(60)
            sock.sendall(b"5\r\nended\r\n0\r\n\r\n")
        else:
            sock.sendall(http_answer(b"200 OK\r\ncontent-type: application/json", usage))
        return True

    stand.recorder.answer = answer
    proxy.configure(limits={"tokens_per_day": 10})
    proxy.start()
    path = stand.path()
    with connected(path) as stream:
        stream.sendall(MODELS)
        wait_for(lambda: b"begun" in stream.recv(65536), "the stream begins")
        for jump, status in ((0, b" 200 "), (0, b" 429 "), (DAY, b" 200 "), (DAY, b" 429 "), (-DAY, b" 200 ")):
            shift.write_text(f"{jump:+d}\n")
            answer_now = stand.ask(message())
            assert status in answer_now[:13], (jump, answer_now)
        go_on.set()
        rest = b""
        while not rest.endswith(b"0\r\n\r\n"):
            rest += stream.recv(65536)
    # Yesterday the upstream's certificate would not be valid yet.
    shift.write_text("+0\n")
    days = {record["ts"][:10] for record in proxy.audit()}
    assert len(days) == 3, days
    proxy.configure(limits={})
    assert proxy.reload() == {"ok": True}
    return f"jumps over {len(days)} days under an open stream; the budget of each day was its own"


def neighbour(stand: Stand) -> str:
    """One conversation sends as fast as it can; another's 99th percentile stays within twice what it is alone."""
    think = 0.02

    def answer(sock: ssl.SSLSocket, request: bytes) -> bool:
        if request.startswith(b"POST"):
            time.sleep(think)
        return Recorder.plain_answer(sock, request)

    stand.recorder.answer = answer
    tunnels = [{"host": TUNNEL, "address": f"127.0.0.1:{stand.recorder.port}"}]
    stand.proxy.configure(limits={"concurrent_requests": 16}, tunnels=tunnels)
    assert stand.proxy.reload() == {"ok": True}
    victim, hostile = stand.path("victim"), stand.path("hostile")

    def percentile() -> float:
        times = []
        with connected(victim) as sock:
            for _ in range(stand.times(1000)):
                began = time.perf_counter()
                sock.sendall(message())
                assert read_answer(sock).startswith(b"HTTP/1.1 200 ")
                times.append(time.perf_counter() - began)
        return sorted(times)[len(times) * 99 // 100]

    def act(number: int) -> None:
        load = HOSTILE[number]
        # A hello is read anew whenever something of it arrives.
        step = 6 if load.startswith(b"CONNECT") else len(load)
        with connected(hostile) as sock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for at in range(0, len(load), step):
                sock.sendall(load[at : at + step])
            sock.shutdown(socket.SHUT_WR)
            read_to_end(sock)

    alone = percentile()
    with many(len(HOSTILE), act):
        beside = percentile()
    attacks = sum(record["workspace"] == "hostile" for record in stand.proxy.audit() if "workspace" in record)
    assert beside < 2 * alone, (alone, beside)
    stand.proxy.configure(limits={}, tunnels=[])
    assert stand.proxy.reload() == {"ok": True}
    return f"p99 {alone * 1000:.1f} ms alone, {beside * 1000:.1f} ms beside {attacks} hostile lines in the log"


SCENARIOS: dict[str, Callable[[Stand], str]] = {
    act.__name__: act for act in (upstream, rotation, killed, aborts, exhausted, disk_full, clock_jump, neighbour)
}


def run(name: str, size: float) -> str:
    """Run one scenario and what must hold after it; return what happened in a line."""
    with tempfile.TemporaryDirectory() as directory:
        stand = Stand(Path(directory), size)
        try:
            stand.proxy.start()
            result = SCENARIOS[name](stand)
            stand.check(partial=name == "killed")
        finally:
            stand.close()
    return f"{name}: {result}"


def main(words: list[str]) -> int:
    """Run the scenarios that are named, or all; a number among the words is the size."""
    sizes = [float(word) for word in words if word not in SCENARIOS]
    for name in [word for word in words if word in SCENARIOS] or list(SCENARIOS):
        print(run(name, sizes[0] if sizes else 1.0), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
