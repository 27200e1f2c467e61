# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Half an hour of everything at once: answers, streams, aborted requests and hostile bytes; the memory must stay flat.

soak.py [SECONDS]
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from proxy_stand import Certificates, Proxy, Recorder, http_answer

from proxy.load import MODELS, connected, descriptors, many, message, read_answer, resident_kb

EVENT = b"event: content_block_delta\ndata: {}\n\n"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
GROWTH = 1.05


def answer(sock: object, request: bytes) -> bool:
    """Answer by what was asked: a list, or a stream of a few events."""
    if request.startswith(b"GET"):
        sock.sendall(http_answer(b"200 OK", os.urandom(1500)))  # type: ignore[attr-defined]
        return True
    chunk = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
    sock.sendall(STREAM + chunk * 20 + b"0\r\n\r\n")  # type: ignore[attr-defined]
    return True


def work(path: str, choose: random.Random) -> None:
    """Do one of the things that clients do."""
    kind = choose.randrange(3)
    with connected(path) as sock:
        if kind == 0:
            for _ in range(10):
                sock.sendall(MODELS)
                assert read_answer(sock).startswith(b"HTTP/1.1 200 ")
        elif kind == 1:
            sock.sendall(message(b'"%b"' % (b"9" * choose.randrange(100_000))))
            data = b""
            while not data.endswith(b"0\r\n\r\n"):
                piece = sock.recv(65536)
                assert piece, data
                data += piece
        else:
            sock.sendall(message(b'"%b"' % (b"x" * 5000))[: choose.randrange(5000)])


def attack(path: str, choose: random.Random) -> None:
    """Send what is refused; a conversation that does nothing else is let in slowly."""
    with connected(path) as sock:
        if choose.randrange(2):
            sock.sendall(choose.randbytes(choose.randrange(1, 3000)) + b"\r\n\r\n")
            sock.recv(65536)
        else:
            sock.sendall(b"GET /v1/" + bytes(str(choose.random()), "ascii") + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b" 403 " in sock.recv(65536)


def main(seconds: float) -> int:
    """Run, print the memory of every thirtieth of the time, and compare the last third with the first."""
    with tempfile.TemporaryDirectory() as directory:
        certificates = Certificates(Path(directory))
        recorder = Recorder(certificates, remembers=False)
        recorder.answer = answer
        proxy = Proxy(certificates, recorder.port)
        proxy.start()
        try:
            return soak(proxy, seconds)
        finally:
            proxy.clean_up()
            recorder.close()


def soak(proxy: Proxy, seconds: float) -> int:
    """Return 0 when the memory stayed flat."""
    paths = [proxy.control(op="open", conversation=f"c{number}")["socket"] for number in range(4)]
    samples: list[int] = []
    choices = [random.Random(number) for number in range(8)]  # noqa: S311

    def act(number: int) -> None:
        choose = choices[number]
        if number < 6:
            work(choose.choice(paths[:3]), choose)
        else:
            attack(paths[3], choose)

    with many(8, act):
        for _ in range(30):
            time.sleep(seconds / 30)
            samples.append(resident_kb(proxy))
            print(f"{samples[-1]} kB, {descriptors(proxy)} descriptors, {len(samples)}/30", flush=True)
    records = proxy.audit()
    first, last = statistics.median(samples[5:12]), statistics.median(samples[-7:])
    requests = sum(record["event"] == "decision" for record in records)
    print(f"{requests} requests in {seconds:g} seconds: {first:.0f} kB early, {last:.0f} kB late, {len(records)} lines")
    return 0 if last <= first * GROWTH else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1800.0))
