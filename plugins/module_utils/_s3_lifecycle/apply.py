# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to result: read, plan, write, read back. Knows neither Ansible nor boto3.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .._s3.errors import S3Error
from . import plan as planning
from . import validate
from .forecast import EVERYWHERE
from .plan import Plan, Present
from .rules import Rule, from_options

LONGEST_PAUSE = 5.0


class Store(Protocol):
    """The bucket, as far as this file needs it; bucket.Bucket is the real one."""

    @property
    def is_ceph(self) -> bool: ...

    def present(self) -> Present: ...

    def enable_versioning(self) -> None: ...

    def write_rules(self, rules: Sequence[Mapping[str, Any]], minimum_size: str | None) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What happened, or would happen in check mode."""

    plan: Plan
    minimum_size: str = ""  # which small objects stay out of transitions; empty on a server that moves them all
    warnings: list[str] = field(default_factory=list)


def checked_rules(options: Sequence[Mapping[str, Any]], bucket: str, others: Sequence[str] = ()) -> list[Rule]:
    """The rules in canonical form; refused with all their problems, and the `others`, before anything is sent."""
    rules = [from_options(entry) for entry in options]
    problems = [*others, *validate.problems(rules)]
    if problems:
        raise S3Error(f"cannot write the lifecycle of bucket {bucket}: {'; '.join(problems)}")
    return rules


def apply(
    store: Store,
    make: Callable[[Present], Plan],
    *,
    bucket: str,
    check_mode: bool,
    wait_timeout: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Outcome:
    plan = make(store.present())
    _refuse_whole_set(plan, bucket)
    warnings = _warnings(plan, store.is_ceph)
    if plan.enable_versioning and not check_mode:
        # First, since on a bucket without versioning an expiration would delete for good.
        store.enable_versioning()
    if plan.change_rules and not check_mode:
        try:
            store.write_rules(plan.rules, plan.minimum_size)
            _read_back(store, plan, bucket, wait_timeout, clock, sleep)
        except S3Error as error:
            if plan.enable_versioning:
                raise S3Error(f"{error}; versioning was switched on before and stays on") from error
            raise
    # AWS has a default of its own, Ceph knows no such thing.
    return Outcome(plan, plan.minimum_size or ("" if store.is_ceph else EVERYWHERE), warnings)


def _refuse_whole_set(plan: Plan, bucket: str) -> None:
    """Ours and the foreign rules together can exceed what a bucket holds, or take each other's objects away."""
    problems = validate.together(list(planning.by_id(plan.rules).values()), plan.ours)
    if not plan.enable_versioning and plan.before.versioning is None:
        problems += validate.without_versioning([planning.by_id(plan.rules)[name] for name in plan.ours])
    if plan.change_rules and problems:
        raise S3Error(f"cannot write the lifecycle of bucket {bucket}: {'; '.join(problems)}")


def _warnings(plan: Plan, is_ceph: bool) -> list[str]:
    warnings = []
    if plan.enable_versioning:
        warnings.append(
            "versioning is switched on: from now on an expiration only hides an object behind a delete marker, and its "
            "bytes go when old versions end; on AWS, wait 15 minutes before the first write"
        )
    if is_ceph:
        ceph = planning.ceph_warning(plan.rules)
        warnings += [ceph] if ceph else []
    return warnings


def _read_back(
    store: Store,
    plan: Plan,
    bucket: str,
    wait_timeout: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Waits until the server shows what it was sent. What it dropped would silently widen a rule, so that is undone."""
    wanted, old = plan.shown_after(plan.rules, plan.minimum_size), plan.shown_after(*plan.state_before)
    deadline = clock() + wait_timeout
    pause, previous = 0.2, None
    while True:
        shown = store.present()
        seen = plan.shown_after(shown.rules, shown.minimum_size)
        if seen == wanted:
            return
        # Neither the old set nor the new one, twice in a row: the server keeps less than it was given.
        settled = seen != old and seen == previous
        if settled or clock() >= deadline:
            break
        previous = seen
        sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
    lost = planning.lost(plan.rules, shown.rules)
    if plan.minimum_size not in (None, shown.minimum_size):
        lost.append("transition_default_minimum_object_size")
    dropped = ", ".join(lost) or "them as they were, but added to them"
    if seen == old:
        raise S3Error(
            f"cannot confirm the lifecycle of bucket {bucket}: the server took it, but shows the former one after "
            f"{wait_timeout:g} s, without {dropped}; if it does not know that, leave it out, else raise wait_timeout "
            "and run again"
        )
    store.write_rules(*plan.state_before)
    raise S3Error(
        f"cannot write the lifecycle of bucket {bucket}: of the rules sent, the server did not keep {dropped}; the "
        "former lifecycle is in place again; leave those fields out, or use a server that has them"
    )
