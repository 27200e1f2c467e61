# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The peers, each in the configuration that its documents recommend for this work, and with an access log, as ours has.

Debian's nginx, haproxy and squid, mitmproxy from PyPI, sandbox-runtime from npm. All run on loopback, end with this
program and replace the client's key, but for squid and sandbox-runtime, which cannot.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MITMPROXY = "mitmproxy==11.0.2"
SANDBOX_RUNTIME = "@anthropic-ai/sandbox-runtime@0.0.78"
SERVER_NAME = "api.test"
# The distribution's, with which the role runs the proxy.
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
_PROGRAMS = ("nginx", "haproxy", "squid", "node", "npm", "cc")
_PATH = f"{os.environ['PATH']}:/usr/sbin"
_START_SECONDS = 30.0


@dataclass(frozen=True)
class Peer:
    """A running peer: where it listens (as ``load`` wants it), and how a request names its target."""

    name: str
    address: str
    absolute: bool = False


@dataclass(frozen=True)
class Upstream:
    """The server behind all contenders."""

    port: int
    tls: bool
    ca: Path


def missing() -> list[str]:
    """Return the programs that this machine does not have."""
    return [name for name in _PROGRAMS if not shutil.which(name, path=_PATH)]


@contextlib.contextmanager
def running(command: list[str], address: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in the foreground until the block ends."""
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            _wait(process, address, log)
            yield process
        finally:
            process.terminate()


@contextlib.contextmanager
def nginx_upstream(directory: Path, cert: Path, key: Path, port: int, body: bytes) -> Iterator[None]:
    """Serve one answer, plain at ``port`` and with TLS at the next one."""
    (directory / "www").mkdir()
    (directory / "www" / "body").write_bytes(body)
    server = f"""
  server {{ listen 127.0.0.1:{port} backlog=1024; listen 127.0.0.1:{port + 1} ssl backlog=1024;
    ssl_certificate {cert}; ssl_certificate_key {key}; default_type application/json; root {directory}/www;
    location / {{ error_page 405 =200 /body; try_files /body =404; }} }}"""
    with running(_nginx(directory, "upstream", server, log=False), f"tcp:127.0.0.1:{port}", directory / "upstream.log"):
        yield


@contextlib.contextmanager
def relay(directory: Path, upstream: Upstream) -> Iterator[Peer]:
    """No peer but a floor: a loop in the same Python that only moves the bytes."""
    path = directory / "relay.sock"
    command = [PYTHON, str(Path(__file__).with_name("relay.py")), str(path), str(upstream.port)]
    with running(command, f"unix:{path}", directory / "relay.log"):
        yield Peer("relay", f"unix:{path}")


@contextlib.contextmanager
def nginx(directory: Path, upstream: Upstream) -> Iterator[Peer]:
    """A reverse proxy on a unix socket."""
    path = directory / "nginx.sock"
    scheme = "https" if upstream.tls else "http"
    verify = (
        f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {upstream.ca}; proxy_ssl_name {SERVER_NAME};"
        "proxy_ssl_server_name on; proxy_ssl_session_reuse on;"
        if upstream.tls
        else ""
    )
    server = f"""
  upstream up {{ server 127.0.0.1:{upstream.port}; keepalive 64; keepalive_requests 100000000; }}
  server {{ listen unix:{path}; location / {{ proxy_pass {scheme}://up; proxy_http_version 1.1; {verify}
    proxy_set_header Connection ""; proxy_set_header Host {SERVER_NAME}; proxy_set_header x-api-key the-real-key;
    proxy_buffering off; proxy_request_buffering off; }} }}"""
    with running(_nginx(directory, "nginx", server, log=True), f"unix:{path}", directory / "nginx.log"):
        yield Peer("nginx", f"unix:{path}")


@contextlib.contextmanager
def haproxy(directory: Path, upstream: Upstream) -> Iterator[Peer]:
    """A reverse proxy on a unix socket, with one thread."""
    path = directory / "haproxy.sock"
    tls = (
        f"ssl verify required ca-file {upstream.ca} verifyhost {SERVER_NAME} sni str({SERVER_NAME})"
        if upstream.tls
        else ""
    )
    (directory / "haproxy.cfg").write_text(f"""
global
  nbthread 1
  maxconn 4000
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option http-no-delay
  http-reuse always
  timeout client 400s
  timeout server 400s
  timeout connect 10s
frontend f
  bind unix@{path}
  http-request set-header x-api-key the-real-key
  http-request set-header Host {SERVER_NAME}
  default_backend b
backend b
  server s 127.0.0.1:{upstream.port} {tls}
""")
    command = ["haproxy", "-db", "-f", str(directory / "haproxy.cfg")]
    with running(command, f"unix:{path}", directory / "haproxy.log"):
        yield Peer("haproxy", f"unix:{path}")


@contextlib.contextmanager
def squid(directory: Path, _upstream: Upstream) -> Iterator[Peer]:
    """A forward proxy without a cache."""
    port = free_port()
    # Started by root it becomes a user of its own, who must reach its files.
    directory.chmod(0o777)
    directory.parent.chmod(0o711)
    (directory / "squid.conf").write_text(f"""
http_port 127.0.0.1:{port}
acl all_ports port 1-65535
acl CONNECT method CONNECT
http_access allow all
cache deny all
access_log stdio:{directory}/squid-access.log
cache_log {directory}/squid-cache.log
pid_filename {directory}/squid.pid
coredump_dir {directory}
pinger_enable off
shutdown_lifetime 0 seconds
server_persistent_connections on
client_persistent_connections on
""")
    command = ["/usr/sbin/squid", "-N", "-n", f"bench{port}", "-f", str(directory / "squid.conf")]
    with running(command, f"tcp:127.0.0.1:{port}", directory / "squid.log"):
        yield Peer("squid", f"tcp:127.0.0.1:{port}", absolute=True)


@contextlib.contextmanager
def mitmproxy(directory: Path, upstream: Upstream) -> Iterator[Peer]:
    """A reverse proxy with an addon of two lines."""
    port = free_port()
    addon = directory / "addon.py"
    addon.write_text("def request(flow):\n    flow.request.headers['x-api-key'] = 'the-real-key'\n")
    scheme = "https" if upstream.tls else "http"
    target = f"reverse:{scheme}://127.0.0.1:{upstream.port}"
    tls = ["--ssl-insecure"] if upstream.tls else []
    options = ["--mode", f"{target}@{port}", "--set", f"confdir={directory}/mitm", "--set", "stream_large_bodies=1"]
    command = [str(_mitmdump()), "-q", "-s", str(addon), "--listen-host", "127.0.0.1", *options, *tls]
    with running(command, f"tcp:127.0.0.1:{port}", directory / "mitm.log"):
        yield Peer("mitmproxy", f"tcp:127.0.0.1:{port}")


@contextlib.contextmanager
def sandbox_runtime(directory: Path, _upstream: Upstream) -> Iterator[Peer]:
    """The HTTP proxy inside Anthropic's sandbox-runtime; it filters by host and adds nothing here."""
    port = free_port()
    home = _sandbox_runtime()
    program = directory / "srt.mjs"
    program.write_text(f"""
import {{ createHttpProxyServer }} from '{home}/node_modules/@anthropic-ai/sandbox-runtime/dist/sandbox/http-proxy.js'
const server = createHttpProxyServer({{ filter: () => true }})
server.listen({port}, '127.0.0.1')
""")
    with running(["node", str(program)], f"tcp:127.0.0.1:{port}", directory / "srt.log"):
        yield Peer("srt", f"tcp:127.0.0.1:{port}", absolute=True)


def free_port() -> int:
    """Return a port that nobody uses at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def versions() -> dict[str, str]:
    """Return what each peer is."""
    found = {"mitmproxy": MITMPROXY, "sandbox-runtime": SANDBOX_RUNTIME}
    for name in _PROGRAMS[:3]:
        program = shutil.which(name, path=_PATH)
        if program is not None:
            done = subprocess.run([program, "-v"], capture_output=True, text=True)
            found[name] = (done.stdout + done.stderr).splitlines()[0]
    return found


def _nginx(directory: Path, name: str, server: str, *, log: bool) -> list[str]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path {directory}/{name}-{kind};" for kind in kinds)
    line = '{"t":"$time_iso8601","m":"$request_method","u":"$uri","s":$status,"b":$bytes_sent,"d":$request_time}'
    access = (
        f"log_format j escape=json '{line}'; access_log {directory}/{name}-access.log j;" if log else "access_log off;"
    )
    (directory / f"{name}.conf").write_text(f"""
daemon off; worker_processes 1; pid {directory}/{name}.pid; error_log {directory}/{name}-error.log; user root;
events {{ worker_connections 4096; }}
http {{ {access} {paths} keepalive_requests 100000000; keepalive_timeout 400s; client_max_body_size 64m;
  client_body_buffer_size 1m; {server}
}}
""")
    return ["nginx", "-p", str(directory), "-c", str(directory / f"{name}.conf")]


def _mitmdump() -> Path:
    home = ROOT / "build" / "bench" / MITMPROXY.replace("==", "-")
    program = home / "bin" / "mitmdump"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([home / "bin" / "pip", "install", "-qq", MITMPROXY], check=True)
    return program


def _sandbox_runtime() -> Path:
    home = ROOT / "build" / "bench" / "sandbox-runtime"
    if not (home / "node_modules").exists():
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text(json.dumps({"private": True}))
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", SANDBOX_RUNTIME], cwd=home, check=True, capture_output=True
        )
    return home


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        kind, _, place = address.partition(":")
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET) as sock:
            host, _, port = place.partition(":")
            sock.connect(place if kind == "unix" else (host, int(port)))
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"cannot start {process.args!r}: {log.read_text()[-500:]}")
