# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The conversations of a host, as workspace_container_info and the Python door list them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import events, kernel, layers, names, proof, usage
from .audit_log import AUDIT_LOG, read_requests
from .driver import Driver
from .events import Account
from .expectation import expectation
from .kernel_log import read_kernel_events
from .report import conversation_result


@dataclass(frozen=True, kw_only=True)
class Listing:
    """``conversations`` in the order of their identifiers; ``host_events`` are those that fit no single one."""

    conversations: list[dict[str, Any]]
    host_events: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class _Seen:
    account: Account
    report: proof.Report
    usage: dict[str, Any] = field(default_factory=dict)


def conversations(
    driver: Driver, wanted: str | None = None, secret_files: Sequence[str] = (), audit_log: str = AUDIT_LOG
) -> Listing:
    """All conversations of the host, or only the wanted one.

    All are looked at in any case: whose a denial was can be told only beside the others.
    """
    label = f"{names.MANAGED}=true"
    volumes, requests = driver.volumes(label=label), read_requests(audit_log)
    found = []
    for name, identifier in sorted(driver.container_ids(label=label).items()):
        # One that is being replaced is none of its own.
        container = None if name.endswith(names.REPLACED) else driver.container(identifier)
        if container is not None:
            conversation = (container["Config"].get("Labels") or {}).get(names.CONVERSATION, "")
            chosen = secret_files if wanted in (None, conversation) else ()
            found.append(_look(conversation, container, volumes, requests.get(conversation), chosen))
    told = read_kernel_events()
    accounts = [seen.account for seen in found]
    return Listing(
        conversations=[
            {
                **conversation_result(seen.account.container, seen.report),
                "usage": seen.usage,
                "events": events.events(seen.account, told, [other for other in accounts if other is not seen.account]),
            }
            for seen in found
            if wanted in (None, seen.account.conversation_id)
        ],
        host_events=events.unattributed(accounts, told),
    )


def _look(
    conversation: str,
    container: Mapping[str, Any],
    volumes: Mapping[str, Mapping[str, Any]],
    requests: Any,
    secret_files: Sequence[str],
) -> _Seen:
    account = Account(conversation_id=conversation, container=container, requests=requests)
    if not container["State"].get("Running"):
        return _Seen(account=account, report=layers.not_running())
    pid = int(container["State"]["Pid"])
    proved = proof.examine(container, volumes, secret_files)
    mounted = proof.mounted_volumes(container, volumes)
    expected = expectation(
        container["HostConfig"], {target: proof.volume_size(volume) for target, volume in mounted.items()}
    )
    counters = usage.read_counters(pid)
    used = usage.usage(pid, counters, proved.facts, expected)
    account = Account(
        conversation_id=conversation,
        container=container,
        pids=frozenset(kernel.container_pids(pid)),
        counters=counters,
        quotas=proved.facts.quotas,
        full=tuple(
            f"{path} has {entry['used']} of {entry['limit']} bytes"
            for path, entry in used["disk"].items()
            if path in {*expected.tmpfs, "/dev/shm"} and entry["limit"] and entry["used"] >= entry["limit"]
        ),
        requests=requests,
    )
    return _Seen(account=account, report=proved.report, usage=used)
