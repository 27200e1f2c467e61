# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credential proxy beside nginx, haproxy, squid, mitmproxy and sandbox-runtime: ``make bench-proxy``.

Requests a second and time a request over plain and TLS upstreams, at one and at sixteen connections; signed requests;
the memory of a thousand idle streams; the speed of a tunnel. All contenders take turns within one run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import ssl
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import frame
from proxy_stand import HOST, Certificates, Proxy
from proxy_support import peers
from proxy_support.peers import Peer, Upstream

HERE = Path(__file__).resolve().parent
STREAMS = 1000
STREAMS_A_CONVERSATION = 100
GIGABYTE = 1e9
WANTED = {
    "rps_vs_nginx": ">= 0.45",
    "rps_vs_squid": ">= 1.5",
    "rps_vs_mitmproxy": ">= 30",
    "rps_vs_srt": ">= 3",
    "tls_rps_vs_nginx": ">= 0.5",
    "added_p50_us": "<= 60",
    "added_p50_us_tls_sigv4": "<= 115",
    "idle_1000_tls_mb": "<= 50",
    "tunnel_vs_squid": ">= 1.8",
}
ANSWER = json.dumps(
    {"id": "msg_1", "model": "m", "usage": {"input_tokens": 1, "output_tokens": 2}, "content": "x" * 1500}
).encode()
FIELDS = (
    "Host: localhost\r\nx-api-key: placeholder\r\nuser-agent: bench/1\r\nanthropic-version: 2023-06-01\r\n"
    "accept: application/json\r\nx-stainless-lang: python\r\nx-stainless-os: Linux\r\nx-stainless-arch: x64\r\n"
)
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "y" * 20000}]})
Sample = dict[str, float]


class Bench:
    """A directory, the load client, the upstream, and what was measured so far."""

    def __init__(self, directory: Path, *, repeats: int, seconds: float) -> None:
        self.directory = directory
        self.repeats = repeats
        self.seconds = seconds
        self.certificates = Certificates(directory)
        self.load = directory / "load"
        subprocess.run(["cc", "-O2", "-o", self.load, HERE / "load.c"], check=True)
        self.rates: dict[str, list[float]] = defaultdict(list)
        self.times: dict[str, list[float]] = defaultdict(list)

    def run(self, address: str, connections: int, *files: Path) -> Sample:
        """Put load on an address and return what the client measured."""
        words = [address, str(connections), str(self.seconds), *map(str, files)]
        done = subprocess.run([self.load, *words], capture_output=True, text=True, check=True)
        sample: Sample = json.loads(done.stdout)
        if sample["errors"]:
            raise RuntimeError(f"{address}: {sample['errors']:.0f} requests failed: {done.stderr}")
        return sample

    def request(self, method: str, target: str) -> Path:
        """Write a request into a file."""
        file = self.directory / f"{method}-{abs(hash(target))}"
        length = f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n" if method == "POST" else ""
        body = BODY if method == "POST" else ""
        file.write_text(f"{method} {target} HTTP/1.1\r\n{FIELDS}{length}\r\n{body}", newline="")
        return file

    def compare(self, kind: str, contenders: list[tuple[str, str, str]]) -> None:
        """Measure contenders (name, address, beginning of the target) in turns."""
        for turn in range(-1, self.repeats):
            for name, address, start in contenders:
                for method, path, connections in (
                    ("GET", "/v1/models", 16),
                    ("POST", "/v1/messages", 16),
                    ("POST", "/v1/messages", 1),
                ):
                    sample = self.run(address, connections, self.request(method, start + path))
                    if turn >= 0:
                        key = f"{kind} {method} c{connections} {name}"
                        self.rates[key].append(sample["requests"] / sample["seconds"])
                        self.times[key].append(sample["p50_us"])

    def rate(self, key: str) -> float:
        """Return the median of a contender's requests a second."""
        return frame.Series(key, tuple(self.rates[key])).median

    def time(self, key: str) -> float:
        """Return the median of a contender's median time, in microseconds."""
        return frame.Series(key, tuple(self.times[key])).median


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    if missing := peers.missing():
        sys.exit(
            f"cannot compare: {', '.join(missing)} not found; install nginx-light, haproxy, squid, gcc and Node.js "
            "with npm (keep Debian from starting the servers), then try again"
        )
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, contextlib.ExitStack() as stack:
        bench = Bench(Path(directory), repeats=options.repeats, seconds=options.seconds)
        ratios = _requests(bench, stack)
        ratios["idle_1000_tls_mb"] = _idle_streams(bench)
        ratios["tunnel_vs_squid"], tunnels = _tunnels(bench)
    series = [frame.Series(key, tuple(values), "/s") for key, values in bench.rates.items()]
    series += [frame.Series(f"p50 {key}", tuple(bench.times[key]), "us") for key in bench.times if " c1 " in key]
    frame.publish(
        "proxy", [*series, *tunnels], {key: ratios[key] for key in WANTED}, wanted=WANTED, versions=peers.versions()
    )


def _requests(bench: Bench, stack: contextlib.ExitStack) -> dict[str, float]:
    """Measure requests over plain and TLS upstreams, and signed ones."""
    port = peers.free_port()
    cert, key = bench.certificates.cert, bench.certificates.key
    stack.enter_context(peers.nginx_upstream(bench.directory, cert, key, port, ANSWER))
    ours = stack.enter_context(_our_proxy(bench, _routes(bench, port)))
    path = f"unix:{ours.control(op='open', conversation='bench')['socket']}"
    plain, tls = Upstream(port, False, bench.certificates.ca), Upstream(port + 1, True, bench.certificates.ca)
    makers: list[Callable[..., Any]] = [peers.nginx, peers.haproxy, peers.squid, peers.mitmproxy, peers.sandbox_runtime]
    with contextlib.ExitStack() as running:
        others = [running.enter_context(make(_own(bench, make.__name__), plain)) for make in [*makers, peers.relay]]
        direct = ("direct", f"tcp:127.0.0.1:{port}", "")
        bench.compare("plain", [direct, ("ours", path, "/plain"), *(_contender(peer, port) for peer in others)])
    with contextlib.ExitStack() as running:
        others = [running.enter_context(make(_own(bench, f"{make.__name__}-tls"), tls)) for make in makers[:2]]
        signed = "/bedrock/model/anthropic.claude-v1%3A0/invoke#"
        bench.compare("tls", [("ours", path, "/tls"), *((peer.name, peer.address, "") for peer in others)])
    target = bench.request("POST", signed.removesuffix("#"))
    for _turn in range(bench.repeats):
        bench.times["signed POST c1 ours"].append(bench.run(path, 1, target)["p50_us"])
    rates = {name: bench.rate(f"plain GET c16 {name}") for name in ("ours", "nginx", "squid", "mitmproxy", "srt")}
    direct_p50 = bench.time("plain POST c1 direct")
    return {
        **{f"rps_vs_{name}": rates["ours"] / rate for name, rate in rates.items() if name != "ours"},
        "tls_rps_vs_nginx": bench.rate("tls GET c16 ours") / bench.rate("tls GET c16 nginx"),
        "added_p50_us": bench.time("plain POST c1 ours") - direct_p50,
        "added_p50_us_tls_sigv4": bench.time("signed POST c1 ours") - direct_p50,
    }


def _routes(bench: Bench, port: int) -> list[dict[str, Any]]:
    common = {"host": HOST, "ca_file": str(bench.certificates.ca)}
    tls = {**common, "address": f"127.0.0.1:{port + 1}"}
    anthropic = {"type": "anthropic", "credential": "anthropic"}
    bedrock = {"type": "bedrock", "credential": "aws", "region": "eu-central-1"}
    return [
        {"name": "plain", "prefix": "/plain/", "host": HOST, "address": f"127.0.0.1:{port}", "tls": False, **anthropic},
        {"name": "tls", "prefix": "/tls/", **tls, **anthropic},
        {"name": "bedrock", "prefix": "/bedrock/", **tls, **bedrock},
    ]


@contextlib.contextmanager
def _our_proxy(bench: Bench, routes: list[dict[str, Any]], **settings: Any) -> Iterator[Proxy]:
    """Run our proxy with the distribution's Python, as the role does."""
    proxy = Proxy(bench.certificates, 1)
    keys = {"AccessKeyId": "AKIA0123456789ABCDEF", "SecretAccessKey": "0123456789abcdefghij"}
    (proxy.credentials / "aws").write_text(json.dumps(keys))
    proxy.configure(routes=routes, **settings)
    del proxy.environment["PYTHONWARNINGS"]
    proxy.python = peers.PYTHON
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.clean_up()


def _own(bench: Bench, name: str) -> Path:
    directory = bench.directory / name
    directory.mkdir()
    return directory


def _contender(peer: Peer, port: int) -> tuple[str, str, str]:
    return peer.name, peer.address, f"http://127.0.0.1:{port}" if peer.absolute else ""


def _idle_streams(bench: Bench) -> float:
    """Return the memory of our process with a thousand idle TLS streams, in MB (its proportional share)."""
    import socket

    words = ["silent", str(bench.certificates.cert), str(bench.certificates.key)]
    with _server(*words) as port, contextlib.ExitStack() as open_streams:
        route = {"name": "r", "prefix": "/", "host": HOST, "type": "anthropic", "credential": "anthropic"}
        route |= {"address": f"127.0.0.1:{port}", "ca_file": str(bench.certificates.ca)}
        with _our_proxy(bench, [route]) as proxy:
            for number in range(STREAMS):
                name = f"c{number // STREAMS_A_CONVERSATION}"
                sock = open_streams.enter_context(socket.socket(socket.AF_UNIX))
                sock.connect(proxy.control(op="open", conversation=name)["socket"])
                sock.sendall(f"GET /v1/models HTTP/1.1\r\n{FIELDS}\r\n".encode())
                if b"event-stream" not in sock.recv(65536):
                    raise RuntimeError("an idle stream did not begin")
            assert proxy.process is not None
            rollup = Path(f"/proc/{proxy.process.pid}/smaps_rollup").read_text()
    pss = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(pss.split()[1]) * 1024 / 1e6


def _tunnels(bench: Bench) -> tuple[float, list[frame.Series]]:
    """Return how many times squid's speed one tunnel has, and both speeds."""
    context, out = ssl.create_default_context(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="bulk.test").do_handshake()
    hello = bench.directory / "hello"
    hello.write_bytes(out.read())
    speeds: dict[str, list[float]] = {"ours": [], "squid": []}
    with _server("blast") as port, contextlib.ExitStack() as stack:
        tunnels = [{"host": "bulk.test", "address": f"127.0.0.1:{port}"}]
        ours = stack.enter_context(_our_proxy(bench, [], tunnels=tunnels))
        theirs = stack.enter_context(peers.squid(_own(bench, "squid-tunnel"), Upstream(port, False, Path("/"))))
        places = {
            "ours": (f"unix:{ours.control(op='open', conversation='bench')['socket']}", "bulk.test:443"),
            "squid": (theirs.address, f"127.0.0.1:{port}"),
        }
        for _turn in range(bench.repeats):
            for name, (address, target) in places.items():
                opening = bench.directory / f"connect-{name}"
                opening.write_text(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n", newline="")
                sample = bench.run(address, 1, hello, opening)
                speeds[name].append(sample["bytes"] / sample["seconds"] / GIGABYTE)
    series = [frame.Series(f"tunnel {name}", tuple(values), "GB/s") for name, values in speeds.items()]
    return frame.ratio(*series), series


@contextlib.contextmanager
def _server(*words: str) -> Iterator[int]:
    command = [sys.executable, str(HERE / "proxy_support" / "servers.py"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
