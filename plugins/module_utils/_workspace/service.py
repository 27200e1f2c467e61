# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The core behind both doors: brings conversations into their states, or says what would be done. Needs no Ansible.

What many conversations share is asked once: the daemon's settings, images, volumes, names, the proxy's list. Then each
conversation is planned, carried out and proved on its own, several at a time; one that fails does not harm the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from . import host, image_scan, layers, names, proof
from .driver import Driver
from .errors import LayerNotInForceError, WorkspaceError
from .executor import Executor
from .lock import locked
from .observe import Observation, observe
from .plan import Act, Action, Plan, plan_absent, plan_present
from .specification import Specification
from .wish import Wish

# More at a time gain nothing, because the daemon and the kernel are the brake; on a slow processor they only make each
# start take so long that Docker seems dead (seen with eight at once on one processor).
_PER_PROCESSOR = 2
_MOST_AT_A_TIME = 8
# What a host that is being drained must not do any more.
_BEGINNINGS = frozenset({Act.CREATE_CONTAINER, Act.START, Act.UNPAUSE})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was done (or would be), and what is there now."""

    plan: Plan
    container: Mapping[str, Any] | None = None
    layers: proof.Report = field(default_factory=dict)
    archive: Mapping[str, Any] = field(default_factory=dict)
    image: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def keep(
    driver: Driver, wishes: Sequence[Wish], *, dry_run: bool = False, lock: bool = True
) -> list[Outcome | WorkspaceError]:
    """Brings each conversation into its state, all or nothing for each; one entry for each wish, in order.

    ``lock`` is False for a caller that holds the conversations already.
    Raises WorkspaceError for what concerns all: a daemon that does not answer, a lock that is not given.
    """
    ids = [wish.conversation_id for wish in wishes]
    with locked(ids) if lock and not dry_run else nullcontext():
        seen = observe(driver, wishes)
        return _side_by_side([partial(_keep_one, driver, wish, seen, dry_run) for wish in wishes])


def keep_one(driver: Driver, wish: Wish, *, dry_run: bool = False) -> Outcome:
    """The same for one conversation; raises its error."""
    [result] = keep(driver, [wish], dry_run=dry_run)
    if isinstance(result, WorkspaceError):
        raise result
    return result


def _side_by_side(jobs: Sequence[Callable[[], Outcome]]) -> list[Outcome | WorkspaceError]:
    def attempt(job: Callable[[], Outcome]) -> Outcome | WorkspaceError:
        try:
            return job()
        except WorkspaceError as error:
            return error
        except Exception as error:
            # The others' results are not lost for it.
            return _unforeseen(error)

    if len(jobs) < 2:
        return [attempt(job) for job in jobs]
    # Loaded only where it is used: it costs a single run several milliseconds.
    from concurrent.futures import ThreadPoolExecutor

    workers = min(len(jobs), _MOST_AT_A_TIME, _PER_PROCESSOR * (os.cpu_count() or 1))
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(attempt, jobs))


def _keep_one(driver: Driver, wish: Wish, seen: Observation, dry_run: bool) -> Outcome:
    return _absent(driver, wish, seen, dry_run) if wish.state == "absent" else _present(driver, wish, seen, dry_run)


def _present(driver: Driver, wish: Wish, seen: Observation, dry_run: bool) -> Outcome:
    request = wish.request
    specification = host.build_specification(request, seen.host(request))
    if request.pull and not dry_run:
        # Only now, when nothing else is wrong with the request.
        seen.fetch(request)
        specification = host.build_specification(request, seen.host(request))
    proxy = seen.proxy(request)
    actual = seen.actual(request, proxy)
    specification = replace(specification, proxy_environment=seen.proxy_environment(request, proxy))
    plan = plan_present(specification, actual, state=wish.state, recreate=wish.recreate)
    if seen.pulls(request):
        plan = replace(
            plan,
            actions=(Action(Act.PULL_IMAGE, request.image), *plan.actions),
            reasons=(f"the host has no image {request.image}", *plan.reasons),
        )
    _refuse_while_draining(plan, wish, seen)
    if dry_run:
        if plan.changed:
            return Outcome(plan=plan, container=actual.container)
        # Nothing would be done, so the next run would ask the kernel the same questions.
        return _proved(wish, specification, plan, actual.container, actual.volumes)
    executor = Executor(driver, proxy, request, start_timeout=wish.start_timeout)
    try:
        executor.apply(plan, specification)
        container = executor.started or (driver.container(request.container_name) if plan.changed else actual.container)
        outcome = _proved(wish, specification, plan, container, {**actual.volumes, **executor.volumes})
    except Exception as error:
        # Such as a container that dies while it is looked at.
        cause = error if isinstance(error, WorkspaceError) else _unforeseen(error)
        raise _with_undo(cause, executor.undo(), plan) from error
    executor.commit()
    return outcome


def _refuse_while_draining(plan: Plan, wish: Wish, seen: Observation) -> None:
    if seen.draining is not None and any(action.act in _BEGINNINGS for action in plan.actions):
        raise WorkspaceError(
            f"cannot start conversation {wish.conversation_id}: this host is being drained ({seen.draining}); "
            "wait until it is back, or use another host"
        )


def _absent(driver: Driver, wish: Wish, seen: Observation, dry_run: bool) -> Outcome:
    """Removes a conversation: its container, its volumes with all files, its place at the proxy."""
    request = wish.request
    proxy = seen.proxy_if_there(request)
    warnings: tuple[str, ...] = ()
    if request.proxy and proxy is None:
        # Not in silence.
        warnings = (
            f"the credential proxy has no control socket {request.proxy_control_socket}, "
            f"so conversation {request.conversation_id} could not be closed there",
        )
    plan = plan_absent(request, seen.actual(request, proxy), archive=wish.archive is not None)
    if dry_run:
        return Outcome(plan=plan, warnings=warnings)
    executor = Executor(driver, proxy, request, archive=wish.archive)
    try:
        executor.apply(plan)
    except WorkspaceError as error:
        if wish.archive is None or executor.saved is not None:
            raise
        # Nothing is gone yet: the conversation goes on.
        failures = "".join(f"; {failure}" for failure in executor.undo())
        raise WorkspaceError(f"{error}\n(nothing was removed, because the files are not saved{failures})") from error
    executor.commit()
    if executor.saved is None:
        return Outcome(plan=plan, warnings=warnings)
    return Outcome(plan=plan, archive=executor.saved.archive, warnings=(*warnings, *executor.saved.warnings))


def _proved(
    wish: Wish,
    specification: Specification,
    plan: Plan,
    container: Mapping[str, Any] | None,
    volumes: Mapping[str, Mapping[str, Any]],
) -> Outcome:
    """The outcome with the kernel's word; raises where it does not confirm what is required."""
    if container is None or not container["State"]["Running"]:
        return Outcome(plan=plan, container=container, layers=layers.not_running())
    name = specification.request.container_name
    proved = proof.examine(container, volumes, wish.secret_files)
    proof.require(proved.report, wish.required_layers, name)
    proof.require_writable(proved.facts, specification.request)
    image, warnings = _image_report(specification, container, plan)
    return Outcome(plan=plan, container=container, layers=proved.report, image=image, warnings=warnings)


def _image_report(
    specification: Specification, container: Mapping[str, Any], plan: Plan
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the image is like, with a warning for a container that was just made of it."""
    image, request = specification.image, specification.request
    if request.runtime not in names.HOST_KERNEL_RUNTIMES:
        return {}, ()
    setuid = image_scan.setuid_files(image, int(container["State"]["Pid"]))
    report = {"user": image.user, "setuid_files": list(setuid)}
    if not any(action.act is Act.CREATE_CONTAINER for action in plan.actions):
        return report, ()
    warnings = []
    if image_scan.runs_as_root(image):
        warnings.append(
            f"image {request.image} names root as its user; the container runs as {request.user} all the same"
        )
    if setuid:
        warnings.append(
            f"image {request.image} has {len(setuid)} setuid or setgid files, which have no effect in a workspace: "
            f"{', '.join(setuid[:5])}{' ...' if len(setuid) > 5 else ''}"
        )
    return report, tuple(warnings)


def _unforeseen(error: Exception) -> WorkspaceError:
    return WorkspaceError(
        f"cannot go on: {error!r}; the container may have stopped meanwhile, see its log, and try again"
    )


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
