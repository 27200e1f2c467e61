# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The door to everything: brings one conversation into a state, or says what would be done. Needs no Ansible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import host, layers, names, proof
from .driver import Driver
from .errors import LayerNotInForceError, WorkspaceError
from .executor import Executor
from .plan import Actual, Plan, plan_absent, plan_present
from .proxy_control import ProxyControl
from .specification import Request, Specification


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was done (or would be), and what is there now."""

    plan: Plan
    container: Mapping[str, Any] | None = None
    layers: proof.Report = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def observe(driver: Driver, request: Request, proxy: ProxyControl | None) -> Actual:
    """What the host holds under the conversation's names."""
    both = (names.workspace_volume(request.conversation_id), names.venv_volume(request.conversation_id))
    found = {name: driver.volume(name) for name in both}
    return Actual(
        container=driver.container(request.container_name),
        replaced=driver.container(names.replaced(request.conversation_id)),
        volumes={name: volume for name, volume in found.items() if volume is not None},
        proxy_open=proxy is not None and proxy.is_open(request.conversation_id),
    )


def present(
    driver: Driver,
    request: Request,
    *,
    state: str,
    recreate: bool = False,
    required_layers: Sequence[str] = (),
    secret_files: Sequence[str] = (),
    start_timeout: float = 30,
    dry_run: bool = False,
) -> Outcome:
    """Brings a conversation into the state present, started or stopped; all or nothing."""
    found = host.read_host(request, driver.host(), driver.image(request.image))
    specification = host.build_specification(request, found)
    proxy = ProxyControl(request.proxy_control_socket) if request.proxy else None
    actual = observe(driver, request, proxy)
    plan = plan_present(specification, actual, state=state, recreate=recreate)
    if dry_run:
        container, report = actual.container, proof.Report()
        if not plan.changed:
            # Nothing would be done, so the next run would ask the kernel the same questions.
            container, report = _prove(driver, specification, required_layers, secret_files)
        return Outcome(plan=plan, container=container, layers=report)
    executor = Executor(driver, proxy, request, start_timeout=start_timeout)
    try:
        executor.apply(plan, specification)
        container, report = _prove(driver, specification, required_layers, secret_files)
    except WorkspaceError as error:
        raise _with_undo(error, executor.undo(), plan) from error
    executor.commit()
    return Outcome(plan=plan, container=container, layers=report)


def absent(driver: Driver, request: Request, *, dry_run: bool = False) -> Outcome:
    """Removes a conversation: its container, its volumes with all files, its place at the proxy."""
    warnings = []
    proxy = ProxyControl(request.proxy_control_socket) if request.proxy else None
    if proxy is not None and not Path(request.proxy_control_socket).exists():
        # Removing must work on a host whose proxy is gone, but not in silence.
        proxy = None
        warnings.append(
            f"the credential proxy has no control socket {request.proxy_control_socket}, "
            f"so conversation {request.conversation_id} could not be closed there"
        )
    plan = plan_absent(request, observe(driver, request, proxy))
    if not dry_run:
        executor = Executor(driver, proxy, request, start_timeout=0)
        executor.apply(plan)
        executor.commit()
    return Outcome(plan=plan, warnings=tuple(warnings))


def _prove(
    driver: Driver, specification: Specification, required: Sequence[str], secret_files: Sequence[str]
) -> tuple[Mapping[str, Any] | None, proof.Report]:
    request = specification.request
    container = driver.container(request.container_name)
    if container is None or not container["State"]["Running"]:
        return container, layers.not_running()
    report = proof.inspect_layers(driver, container, secret_files)
    proof.require(report, required, request.container_name)
    proof.require_writable(driver, container, request)
    return container, report


def _with_undo(error: WorkspaceError, failures: list[str], plan: Plan) -> WorkspaceError:
    if not plan.changed:
        return error
    told = "what this run had made was removed again"
    if failures:
        told = "what this run had made could not be removed: " + "; ".join(failures)
    message = f"{error}\n({told})"
    if isinstance(error, LayerNotInForceError):
        return LayerNotInForceError(message, error.layers)
    return WorkspaceError(message)
