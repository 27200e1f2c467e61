# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator does with a running service: reload, rotate, revoke, limit, measure, verify."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import socket
import ssl
import subprocess
import threading
import time
from typing import Any

import pytest
import yaml
from credential_proxy.__main__ import main
from credential_proxy.limits import UNSERVED_AT_ONCE
from proxy_stand import ROOT, http_answer, read_all

PLAIN = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n" + b'{"model":"m"}'
USAGE = json.dumps({"model": "m", "usage": {"input_tokens": 70, "output_tokens": 30}}).encode()
NEW_KEY = "sk-ant-rotated-0123456789"


def answer_with_usage(sock: ssl.SSLSocket, _request: bytes) -> bool:
    """Answer what costs a hundred tokens."""
    sock.sendall(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(USAGE) + USAGE
    )
    return True


def ask(proxy: Any, path: str) -> tuple[int, bytes]:
    """Ask on the metrics socket."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection):
        connection.sock.connect(str(proxy.directory / "metrics.sock"))
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_key_is_rotated_under_a_stream(proxy: Any, recorder: Any, real_key: str) -> None:
    half, go_on = threading.Event(), threading.Event()

    def slow(sock: ssl.SSLSocket, _request: bytes) -> bool:
        sock.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        half.set()
        go_on.wait(10)
        sock.sendall(b"3\r\ndef\r\n0\r\n\r\n")
        return True

    recorder.answer = slow
    with proxy.connect() as sock:
        sock.sendall(PLAIN)
        assert half.wait(10)
        (proxy.credentials / "anthropic").write_text(NEW_KEY + "\n")
        assert proxy.reload() == {"ok": True}
        recorder.answer = recorder.plain_answer
        assert proxy.exchange(PLAIN).startswith(b"HTTP/1.1 200")
        go_on.set()
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += sock.recv(65536)
    assert b"def" in data
    assert recorder.received.count(real_key.encode()) == 1
    assert recorder.received.count(NEW_KEY.encode()) == 1


def test_reload_by_the_command(proxy: Any, recorder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["reload", "--config", str(proxy.config), "--credentials-directory", str(proxy.credentials)]
    (proxy.credentials / "anthropic").write_text(NEW_KEY + "\n")
    assert main(words) == 0
    proxy.exchange(PLAIN)
    assert NEW_KEY.encode() in recorder.received
    (proxy.credentials / "anthropic").write_text("short\n")
    assert main(words) == 1
    assert "cannot use credential anthropic: it must be 16 to 4096" in capsys.readouterr().err
    proxy.stop()
    assert main(words) == 1
    assert "cannot reload" in capsys.readouterr().err


def test_the_command_tells_the_service_of_what_cannot_be_read(proxy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Or else the service would say that all is well, and would write on in a file that logrotate has renamed."""
    words = ["reload", "--config", str(proxy.config), "--credentials-directory", str(proxy.credentials)]
    words += ["--control-socket", str(proxy.directory / "control.sock")]
    good = proxy.config.read_text()
    proxy.config.write_text("{broken")
    proxy.audit_log.rename(proxy.directory / "audit.jsonl.1")
    assert main(words) == 1
    assert "the old configuration stays in force" in capsys.readouterr().err
    assert proxy.control(op="health")["configuration"] != "ok"
    assert [record["event"] for record in proxy.audit()] == ["reload"]
    proxy.config.write_text(good)
    (proxy.credentials / "anthropic").unlink()
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "cannot read credential anthropic in" in said
    assert "cannot inject credential anthropic: it was not given" in said


def test_broken_configuration_keeps_the_good_one(proxy: Any) -> None:
    for text in ("", "{", '{"routes": [{"name": "x"}]}', '{"routes": {}}'):
        good = proxy.config.read_text()
        proxy.config.write_text(text)
        reply = proxy.reload()
        assert reply["ok"] is False
        assert "the old configuration stays in force" in reply["error"]
        assert proxy.exchange(PLAIN).startswith(b"HTTP/1.1 200")
        assert proxy.control(op="health")["configuration"] != "ok"
        proxy.config.write_text(good)
    assert proxy.reload() == {"ok": True}
    assert proxy.control(op="health")["configuration"] == "ok"
    assert [record["verdict"] for record in proxy.audit() if record["event"] == "reload"] == ["refused"] * 4 + ["taken"]


def test_missing_credential_keeps_the_old_ones(proxy: Any) -> None:
    reply = proxy.control(op="reload", credentials={})
    assert "cannot inject credential anthropic: it was not given" in reply["error"]
    assert proxy.exchange(PLAIN).startswith(b"HTTP/1.1 200")


def test_budget_is_spent_and_says_so(proxy: Any, recorder: Any) -> None:
    recorder.answer = answer_with_usage
    proxy.configure(limits={"tokens": 150}, prices=[{"model": "m", "input": 1, "output": 2}])
    assert proxy.reload() == {"ok": True}
    assert [proxy.exchange(PLAIN)[9:12] for _ in range(3)] == [b"200", b"200", b"429"]
    answer = proxy.exchange(PLAIN)
    assert b"429 Too Many Requests: this conversation's budget is spent; ask the operator for more" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "rate_limit_error"
    assert proxy.exchange(PLAIN, "other")[9:12] == b"200", "every conversation has its own"
    end = next(record for record in proxy.audit() if record["event"] == "end")
    assert end["tokens"] == {"input": 70, "output": 30}
    assert end["cost"] == 0.00013
    time.sleep(1.2)
    proxy.stop(9)
    proxy.start()
    assert proxy.exchange(PLAIN)[9:12] == b"429", "a restart is no new budget"


def test_policy_of_one_conversation(proxy: Any) -> None:
    policy = {"models": ["claude-*"], "limits": {"requests_per_minute": 2}}
    assert proxy.control(op="open", conversation="demo", policy=policy)["ok"]
    for _restart in range(2):
        assert b"rule model)" in proxy.exchange(PLAIN)
        proxy.stop()
        proxy.start()
    allowed = PLAIN.replace(b'"m"', b'"claude-x"').replace(b": 13", b": 20")
    assert [proxy.exchange(allowed)[9:12] for _ in range(3)] == [b"200", b"200", b"429"]
    assert proxy.exchange(PLAIN, "other")[9:12] == b"200"
    reply = proxy.control(op="open", conversation="demo", policy={"routes": ["nowhere"], "surprise": 1})
    assert "there is no route 'nowhere'" in reply["error"]
    assert "unknown key 'surprise'" in reply["error"]


def test_an_account_is_closed_with_its_conversation(proxy: Any, recorder: Any) -> None:
    """Also when the closing cuts an answer, which is charged for what has come."""
    half = threading.Event()

    def begin(sock: ssl.SSLSocket, _request: bytes) -> bool:
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n" + b"x" * 500)
        half.set()
        return True

    recorder.answer = begin
    proxy.configure(limits={"tokens": 150})
    assert proxy.reload() == {"ok": True}
    with proxy.connect() as sock:
        sock.sendall(PLAIN)
        assert half.wait(10)
        assert sock.recv(1000)
        assert proxy.control(op="close", conversation="demo") == {"ok": True, "changed": True}
    recorder.answer = answer_with_usage
    assert proxy.exchange(PLAIN)[9:12] == b"200"


def test_who_only_gets_refusals_is_let_in_slowly(proxy: Any) -> None:
    """So that nobody can fill the disk of the log; others do not notice."""
    refused = b"GET /v1/files HTTP/1.1\r\nHost: a\r\n\r\n"
    local = b"HEAD /api/hello HTTP/1.1\r\nHost: a\r\n\r\n"
    for _turn in range(UNSERVED_AT_ONCE // 2):
        assert b"403" in proxy.exchange(refused)[:20]
    with proxy.connect() as sock:
        sock.sendall(local * UNSERVED_AT_ONCE)
        assert read_all(sock).count(b"HTTP/1.1 200") < UNSERVED_AT_ONCE
    with proxy.connect() as first, proxy.connect() as second:
        # The first is let in once the bucket has room, and empties it again.
        first.sendall(refused)
        second.sendall(refused)
        assert b"200" in proxy.exchange(PLAIN, "other")[:20]
        assert b"403" in read_all(first)[:20]
        assert b"403" in read_all(second)[:20]
    lines = [record for record in proxy.audit() if record["event"] == "decision"]
    assert len(lines) < UNSERVED_AT_ONCE + 100, "every one of them is in the log, and they are few"


HELLO = b"CONNECT git.test:443 HTTP/1.1\r\nHost: git.test:443\r\n\r\n"


@pytest.mark.parametrize("how", ["no TLS", "gone at once"])
def test_who_never_reaches_an_upstream_is_let_in_slowly(proxy: Any, recorder: Any, how: str) -> None:
    proxy.configure(tunnels=[{"host": "git.test", "address": "127.0.0.1"}])
    proxy.reload()
    recorder.answer = lambda _sock, _request: time.sleep(0.05) is None
    for _turn in range(UNSERVED_AT_ONCE + 20):
        with proxy.connect() as sock:
            if how == "no TLS":
                sock.sendall(HELLO + b"GARBAGE")
                sock.settimeout(1)
                try:
                    sock.recv(100)
                except TimeoutError:
                    break
            else:
                sock.sendall(b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n")
    lines = [record for record in proxy.audit() if record["event"] == "end"]
    assert len(lines) < UNSERVED_AT_ONCE + 20


def test_one_request_at_a_time(proxy: Any, recorder: Any) -> None:
    proxy.configure(limits={"concurrent_requests": 1})
    assert proxy.reload() == {"ok": True}
    recorder.answer = lambda _sock, _request: True
    with proxy.connect() as sock:
        sock.sendall(PLAIN)
        while not recorder.received:
            time.sleep(0.01)
        assert b"rule concurrency" in proxy.exchange(PLAIN)
    recorder.answer = recorder.plain_answer
    deadline = time.monotonic() + 10
    while proxy.exchange(PLAIN)[9:12] != b"200":
        assert time.monotonic() < deadline


def test_revoke_cuts_what_is_open(proxy: Any, recorder: Any) -> None:
    recorder.answer = lambda _sock, _request: True
    with proxy.connect() as sock:
        sock.sendall(PLAIN)
        while not recorder.received:
            time.sleep(0.01)
        assert proxy.control(op="revoke", conversation="demo") == {"ok": True, "cut": 1}
        assert sock.recv(10) == b""


def test_metrics_and_health(proxy: Any, recorder: Any) -> None:
    recorder.answer = answer_with_usage
    proxy.exchange(PLAIN)
    proxy.exchange(b"GET /v1/files HTTP/1.1\r\nHost: a\r\n\r\n")
    status, text = ask(proxy, "/metrics")
    assert status == 200
    for line in (
        b'credential_proxy_requests_total{route="anthropic",verdict="served",status="200"} 1',
        b'credential_proxy_refusals_total{rule="path"} 1',
        b'credential_proxy_refusals_total{rule="secret-echo"} 0',
        b'credential_proxy_tokens_total{route="anthropic",kind="input"} 70',
        b"credential_proxy_audit_healthy 1",
    ):
        assert line in text.splitlines()
    status, text = ask(proxy, "/health")
    assert (status, json.loads(text)["audit"]) == (200, True)
    assert json.loads(text)["version"] == yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert ask(proxy, "/else")[0] == 403


def verified(proxy: Any, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the command that verifies the log."""
    code = main(["verify", "--config", str(proxy.config)])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_verify_finds_every_kind_of_damage(proxy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for _turn in range(3):
        proxy.exchange(PLAIN)
    old = proxy.audit_log.rename(proxy.directory / "audit.jsonl-20261121")
    proxy.process.send_signal(1)
    while not proxy.audit_log.exists():
        time.sleep(0.01)
    proxy.exchange(PLAIN)
    proxy.stop()
    assert verified(proxy, capsys) == (0, f"{proxy.audit_log}: lines 1 to 10 are whole and in order\n")
    subprocess.run(["gzip", old], check=True)
    assert verified(proxy, capsys)[0] == 0, "rotated files are compressed"
    good = proxy.audit_log.read_bytes()
    lines = good.splitlines(keepends=True)
    for damaged, word in (
        (good.replace(b'"allow"', b'"deny"'), "was edited"),
        (b"".join([lines[0], *lines[2:]]), "are missing"),
        (b"".join([lines[1], lines[0], *lines[2:]]), "are missing"),
        (b"".join(lines[:-1]), "but line 10 was written"),
        (good[:-5], "not a line of an audit log"),
        (b"", "but line 10 was written"),
    ):
        proxy.audit_log.write_bytes(damaged)
        code, said = verified(proxy, capsys)
        assert code == 1
        assert word in said, said
    proxy.audit_log.write_bytes(good)
    assert verified(proxy, capsys)[0] == 0
    proxy.audit_log.write_bytes(b"".join(lines[:-1]))
    proxy.start()
    proxy.stop()
    assert "the log ended 1 lines too early" in verified(proxy, capsys)[1], "a later start does not heal it"


def test_verify_finds_lines_that_were_added_while_it_was_stopped(
    proxy: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the right hash of the line before, which needs no key."""
    proxy.exchange(PLAIN)
    proxy.stop()
    last = proxy.audit_log.read_bytes().splitlines(keepends=True)[-1]
    forged = {"seq": json.loads(last)["seq"] + 1, "prev": hashlib.sha256(last).hexdigest(), "event": "decision"}
    with proxy.audit_log.open("ab") as log:
        log.write(json.dumps(forged).encode() + b"\n")
    assert "was added while the service was stopped" in verified(proxy, capsys)[1]
    proxy.start()
    proxy.stop()
    assert "was added while the service was stopped" in verified(proxy, capsys)[1], "a later start does not heal it"


@pytest.mark.parametrize("running", [True, False])
def test_verify_finds_a_log_that_was_written_anew(
    proxy: Any, capsys: pytest.CaptureFixture[str], running: bool
) -> None:
    """One line, whatever it says of those before; and one whose hash is right, which nobody can prove."""
    proxy.exchange(PLAIN)
    if not running:
        proxy.stop()
    while "came after" in verified(proxy, capsys)[1]:
        time.sleep(0.01)
    last = proxy.audit_log.read_bytes().splitlines(keepends=True)[-1]
    number = json.loads(last)["seq"]
    for seq, prev, word in (
        (number + 1, "0" * 64, f"does not follow line {number}"),
        (number + 2, hashlib.sha256(last).hexdigest(), f"does not follow line {number}"),
        (number + 1, hashlib.sha256(last).hexdigest(), "1 of them came after a note"),
    ):
        proxy.audit_log.write_bytes(json.dumps({"seq": seq, "prev": prev, "event": "start"}).encode() + b"\n")
        assert word in verified(proxy, capsys)[1]


@pytest.mark.parametrize(
    "line",
    [
        *(b"[" * 100_000, b'{"seq":"1","prev":"","event":"end"}', b'{"seq":true,"prev":"","event":"end"}'),
        *(b'{"seq":1,"prev":"","event":"start","unnoted":[]}', b'{"seq":1' + b"0" * 400 + b',"prev":"","event":"end"}'),
        b'{"seq":1,"prev":"","event":"start","missing":-1}',
    ],
)
def test_a_crafted_line_is_a_problem_and_no_crash(proxy: Any, capsys: pytest.CaptureFixture[str], line: bytes) -> None:
    proxy.exchange(PLAIN)
    proxy.stop()
    with proxy.audit_log.open("ab") as log:
        log.write(line + b"\n")
    proxy.audit_log.with_name("audit.jsonl-1.gz").write_bytes(b"\x1f\x8b\x08cut")
    code, said = verified(proxy, capsys)
    assert code == 1
    assert "not a line of an audit log" in said
    assert "audit.jsonl-1.gz:1: cannot be read" in said
    proxy.start()
    assert b"200" in proxy.exchange(PLAIN)[:20]


def test_verify_while_it_runs_and_after_a_kill(proxy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for _turn in range(3):
        proxy.exchange(PLAIN)
        assert verified(proxy, capsys)[0] == 0
    proxy.stop(9)
    assert verified(proxy, capsys)[0] == 0
    proxy.start()
    proxy.exchange(PLAIN)
    proxy.stop()
    assert verified(proxy, capsys)[0] == 0


def test_secret_that_comes_back_is_cut_and_alarmed(proxy: Any, recorder: Any, real_key: str) -> None:
    recorder.answer = lambda sock, _request: sock.sendall(http_answer(b"200 OK", b"x" * 99 + real_key.encode())) is None
    assert real_key.encode() not in proxy.exchange(PLAIN)
    assert "ALARM: an answer to demo held the secret" in proxy.stderr()
    assert b'credential_proxy_refusals_total{rule="secret-echo"} 1' in ask(proxy, "/metrics")[1]
