# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service: puts the parts together, obeys the control socket and the signals, lets running requests finish."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import __version__, limits
from .audit import AuditLog
from .aws.chain import KeyChain
from .clients import environment
from .config import load, parse_policy
from .context import Context
from .control import ControlError, Order, failure, success
from .control_connection import ControlConnection
from .conversations import Conversations, Listener, listen, peer_of
from .credentials import parse_credentials
from .metering.ledger import Ledger
from .metrics import Metrics
from .metrics_connection import MetricsConnection
from .notify import notify_systemd
from .policies import PolicyStore
from .reactor import Reactor
from .resolver import Resolver
from .rulebook import make_rules, put_in_force
from .secret import AwsKeys, Credential
from .settings import Config, ConfigError, Policy

_USAGE_NAME = "usage.json"
_POLICIES_NAME = "policies"


class Service:
    """Runs until SIGTERM or SIGINT; SIGHUP reopens the audit log."""

    def __init__(self, config: Config, credentials: Mapping[str, Credential], path: Path) -> None:
        """Open the log and prepare the upstreams; nothing is served before ``start``."""
        self.reactor = Reactor()
        self._path = path
        self._config = config
        self._reload_error = ""
        resolver = Resolver(self.reactor)
        audit = AuditLog(config.audit_log, config.state_directory, owe_commit=self._owe_commit, owe_note=self._owe_note)
        ledger = Ledger(config.prices)
        ledger.load(config.state_directory / _USAGE_NAME)
        self._store = PolicyStore(config.state_directory / _POLICIES_NAME)
        self._context = Context(
            reactor=self.reactor,
            resolver=resolver,
            audit=audit,
            rules=make_rules(config, credentials, self.reactor, resolver, key=audit.key),
            ledger=ledger,
            metrics=Metrics(),
            policies=self._store.load(config.routes),
        )
        self.conversations = Conversations(self._context, config.conversations_directory)
        self._listeners: list[Listener] = []
        self._chain: KeyChain | None = None

    def start(self) -> None:
        """Bind the sockets of all conversations, then the operator's sockets, then say that we are ready."""
        self.conversations.restore()
        self._listen(self._config.control_socket, self._accept_control)
        self._listen(self._config.metrics_socket, self._accept_metrics)
        self.reactor.on_signal(signal.SIGTERM, self.stop)
        self.reactor.on_signal(signal.SIGINT, self.stop)
        self.reactor.on_signal(signal.SIGHUP, self._context.audit.reopen)
        self.reactor.call_later(limits.SAVE_SECONDS, self._save)
        self._use_chain()
        notify_systemd("READY=1")

    def run(self) -> None:
        """Serve until stopped, then leave everything in order."""
        context = self._context
        self.reactor.run()
        for connection in self.conversations.connections:
            connection.cut("closing")
        for upstream in context.rules.upstreams.values():
            upstream.close()
        self.reactor.close_pending()
        context.resolver.close()
        if self._chain is not None:
            self._chain.stop()
        self._save_ledger()
        context.audit.close()
        self._config.control_socket.unlink(missing_ok=True)
        self._config.metrics_socket.unlink(missing_ok=True)

    def stop(self) -> None:
        """Take no more requests, let the running ones end for a while, then stop."""
        if self._context.stopping:
            self.reactor.stop()
            return
        notify_systemd("STOPPING=1")
        self._context.stopping = True
        self.conversations.stop_listening()
        for listener in self._listeners:
            listener.close()
        self._drain(self.reactor.now + limits.DRAIN_SECONDS)

    def obey(self, order: Order) -> bytes:
        """Carry out one order of the control socket."""
        name = order.conversation
        try:
            match order.operation:
                case "open":
                    return self._open(name, order.policy)
                case "close":
                    return success(changed=self._close(name))
                case "revoke":
                    return success(cut=self.conversations.cut(name, "revoked"))
                case "environment":
                    return success(environment=self._environment(name))
                case "list":
                    return success(conversations=self.conversations.names, active=self.conversations.last_requests)
                case "reload":
                    return self._reload(order.credentials)
                case _:
                    return success(**self.health())
        except OSError as error:
            raise ControlError(f"cannot {order.operation} conversation {name}: {error}") from error

    def health(self) -> dict[str, Any]:
        """Tell how the service is; ``configuration`` is ``ok`` or why the last one was not taken."""
        return {
            "version": __version__,
            "routes": [route.name for route in self._context.rules.routes],
            "audit": self._context.audit.healthy,
            "configuration": self._reload_error or "ok",
        }

    def metrics(self) -> str:
        """Write the metrics."""
        context = self._context
        return context.metrics.render(
            {
                "conversations": ("Conversations that are open.", len(self.conversations.names)),
                "connections": ("Clients' connections that are open.", len(self.conversations.connections)),
                "held_bytes": ("Bytes of bodies and pages that wait.", context.held_bytes),
                "audit_healthy": ("Whether the last audit line could be written.", context.audit.healthy),
                "audit_lines": ("Number of the last audit line.", context.audit.lines),
                "configuration_ok": ("Whether the last configuration was taken.", not self._reload_error),
            }
        )

    def _open(self, name: str, data: object) -> bytes:
        """Open a conversation; a policy given replaces its old one, none given leaves it."""
        if data is not None:
            try:
                policy = parse_policy(data, self._context.rules.routes)
            except ConfigError as error:
                raise ControlError(f"cannot open conversation {name}: {error}") from error
            self._store.store(name, data)
            self._context.set_policy(name, policy)
            self.conversations.cut_tunnels(self._may_tunnel)
        changed = self.conversations.open(name)
        return success(changed=changed, socket=str(self.conversations.socket_path(name)))

    def _close(self, name: str) -> bool:
        """Close a conversation. Its policy goes after its directory: one that comes back must not come back without."""
        changed = self.conversations.close(name)
        self._store.remove(name)
        self._context.set_policy(name, None)
        # What was cut has been charged by now.
        self._context.ledger.forget(name)
        self._context.flood.forget(name)
        return changed

    def _reload(self, given: Mapping[str, bytes]) -> bytes:
        """Put the configuration file in force, with these credentials; a bad one changes nothing."""
        context = self._context
        context.audit.reopen()
        try:
            config = load(self._path)
            credentials = parse_credentials(config, given)
            fixed = ("conversations_directory", "state_directory", "control_socket", "metrics_socket", "audit_log")
            if moved := [key for key in fixed if getattr(config, key) != getattr(self._config, key)]:
                raise ConfigError([f"{key}: changes with a restart only" for key in moved])
            rules = make_rules(
                config, credentials, self.reactor, context.resolver, key=context.audit.key, old=context.rules
            )
        except ConfigError as error:
            self._reload_error = str(error)
            print(f"cannot take the new configuration: {error}; the old one stays in force", file=sys.stderr)
            self._note("reload", {"verdict": "refused", "problems": len(error.problems)})
            return failure(f"cannot reload: {error}; the old configuration stays in force")
        self._config, self._reload_error = config, ""
        context.ledger.prices = config.prices
        context.policies = self._store.load(config.routes)
        put_in_force(context, rules)
        self._use_chain()
        self.conversations.cut_tunnels(self._may_tunnel)
        self._note("reload", {"verdict": "taken", "routes": [route.name for route in config.routes]})
        return success()

    def _environment(self, name: str) -> dict[str, str]:
        gate = self._context.planner(name).gate
        return environment(gate.routes, gate.policy, self._config.client_url)

    def _use_chain(self) -> None:
        """Begin to ask AWS's chain for keys when a route needs them."""
        if self._chain is None and any(route.uses_chain for route in self._context.rules.routes):
            self._chain = KeyChain(lambda keys: self.reactor.call_from_thread(lambda: self._take_keys(keys)))
            self._chain.start()

    def _take_keys(self, keys: AwsKeys | None) -> None:
        # Keys that cannot be renewed are still good until they expire.
        self._context.chain_keys = keys or self._context.chain_keys

    def _may_tunnel(self, conversation: str, host: str) -> bool:
        policy = self._context.policies.get(conversation, Policy())
        permitted = policy.routes is None or "tunnels" in policy.routes
        return permitted and any(tunnel.host == host for tunnel in self._context.rules.tunnels)

    def _note(self, event: str, facts: dict[str, Any]) -> None:
        self._context.audit.write(event, facts)

    def _save(self) -> None:
        if self._context.ledger.dirty:
            self._save_ledger()
        self.reactor.call_later(limits.SAVE_SECONDS, self._save)

    def _save_ledger(self) -> None:
        try:
            self._context.ledger.save(self._config.state_directory / _USAGE_NAME)
        except OSError as error:
            print(f"cannot write down what conversations used: {error}", file=sys.stderr)

    def _owe_commit(self) -> None:
        """Have the lines of this round written before anything that it sends."""
        self.reactor.flush_first(self._context.audit.commit)

    def _owe_note(self) -> None:
        """Have the audit's last line noted soon; many lines share one note."""
        self.reactor.call_later(limits.NOTE_SECONDS, self._write_note)

    def _write_note(self) -> None:
        self._context.audit.write_note()

    def _drain(self, until: float) -> None:
        """Close idle connections, look again a little later, give up at the time given."""
        for connection in self.conversations.connections:
            connection.stop_when_idle()
        if not self.conversations.connections or self.reactor.now >= until:
            self.reactor.stop()
        else:
            self.reactor.call_later(0.05, lambda: self._drain(until))

    def _listen(self, path: Path, accepted: Callable[[socket.socket], None]) -> None:
        sock = listen(path, path.with_name(path.name + ".new"), 0o600)
        self._listeners.append(Listener(self._context, sock, accepted))

    def _accept_control(self, sock: socket.socket) -> None:
        ControlConnection(self.reactor, sock, self.obey, allowed=peer_of(sock).uid == 0)

    def _accept_metrics(self, sock: socket.socket) -> None:
        MetricsConnection(self.reactor, sock, self.metrics, self.health, allowed=peer_of(sock).uid == 0)
