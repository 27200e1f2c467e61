# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy data of the seccomp role -> seccomp profile of the container runtime. Pure: no files, no Ansible.

Note that this plugin util is PRIVATE to the collection.

The engine behind the profile (dockerd, runc, libseccomp) accepts contradictions in silence: the first of two rules for
a call wins, an unconditional permission swallows a conditional refusal, unknown keys vanish. So contradictions are
refused here, where they can still be named.
"""

from __future__ import annotations

import errno
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

INT_MASK = 0xFFFFFFFF

Policy = Mapping[str, Any]
Rule = dict[str, Any]


DEFAULT_REFUSAL = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": errno.EPERM}
LEVEL_REASON = "Not needed by the recorded workloads, so left out of level strict."


class PolicyError(ValueError):
    """The policy or a wish of the user contradicts itself; holds every problem found."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


def calls_of(groups: Iterable[Mapping[str, Any]]) -> set[str]:
    return {call for group in groups for call in group["calls"]}


def at_level(policy: Policy, extra_allowed: Sequence[str] = ()) -> Policy:
    """The policy cut down to its level: a call that the level leaves out moves to the deny table.

    A call that the user adds stays as the level above has it, with its argument filter if it has one. What is left out
    answers ENOSYS, so that programs fall back; calls with a filter answer EPERM, as the filter does.
    """
    if policy["level"] not in policy["levels"]:
        return policy
    kept = {*policy["levels"][policy["level"]], *extra_allowed}

    def cut(groups: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        smaller = [{**group, "calls": [call for call in group["calls"] if call in kept]} for group in groups]
        return [group for group in smaller if group["calls"]]

    left_out = [
        {"group": f"level_{policy['level']}", "errno": answer, "reason": LEVEL_REASON, "calls": sorted(calls - kept)}
        for answer, calls in (("ENOSYS", calls_of(policy["allow"])), ("EPERM", calls_of(policy["filters"])))
    ]
    return {
        **policy,
        "allow": cut(policy["allow"]),
        "filters": cut(policy["filters"]),
        "deny": [*policy["deny"], *(group for group in left_out if group["calls"])],
    }


def _allowed(policy: Policy) -> set[str]:
    return calls_of(policy["allow"]) | calls_of(policy["filters"])


def _left_out(policy: Policy) -> set[str]:
    """Calls that the policy allows, but not at its level."""
    return _allowed(policy) - _allowed(at_level(policy))


def policy_problems(policy: Policy) -> list[str]:
    """Contradictions inside the policy data itself."""
    problems: list[str] = []
    tables = {name: calls_of(policy[name]) for name in ("allow", "filters", "deny")}
    for first, second in itertools.combinations(tables, 2):
        for call in sorted(tables[first] & tables[second]):
            problems.append(f"call {call} is in both tables, {first} and {second}")
    for name in ("allow", "deny"):
        counted = Counter(call for group in policy[name] for call in group["calls"])
        problems += [f"call {call} is twice in table {name}" for call, times in sorted(counted.items()) if times > 1]
    for group in [*policy["allow"], *policy["filters"], *policy["deny"]]:
        if not str(group.get("reason", "")).strip():
            problems.append(f"the group of {group['calls'][0]} has no reason")
    for name, calls in policy["levels"].items():
        for call in sorted(set(calls) - _allowed(policy)):
            problems.append(f"call {call} is in level {name}, but not among the allowed ones")
    return problems


def wish_problems(policy: Policy, extra_allowed: Sequence[str], extra_denied: Sequence[str]) -> list[str]:
    """What is wrong with the user's additions, each problem with the variable, the call and what to do."""
    allowed, filtered, denied = (calls_of(policy[name]) for name in ("allow", "filters", "deny"))
    sealed = {call: group for group in policy["deny"] if group.get("sealed") for call in group["calls"]}
    left_out = _left_out(policy)
    problems: list[str] = []
    for call in extra_allowed:
        if call in sealed:
            problems.append(
                f"seccomp_extra_allowed: cannot open {call}: {sealed[call]['reason']} "
                "No option opens it; remove it from the list"
            )
        elif call in filtered - left_out:
            problems.append(
                f"seccomp_extra_allowed: cannot open {call} for every argument: it is allowed for the safe ones "
                "already; remove it from the list"
            )
        elif call not in allowed | filtered | denied:
            problems.append(f"seccomp_extra_allowed: unknown system call {call!r}; correct its name")
    for call in extra_denied:
        if call not in allowed | filtered | denied:
            problems.append(f"seccomp_extra_denied: unknown system call {call!r}; correct its name")
    for call in sorted(set(extra_allowed) & set(extra_denied)):
        problems.append(f"{call} is in both seccomp_extra_allowed and seccomp_extra_denied; keep it in one")
    return problems


def opened_by(policy: Policy, extra_allowed: Sequence[str]) -> list[str]:
    """What the user's additions open, one line a call: 'CALL: reason of its refusal'."""
    wanted = set(extra_allowed)
    lines = [
        f"{call}: {group['reason']}" for group in policy["deny"] for call in sorted(wanted.intersection(group["calls"]))
    ]
    left_out = _left_out(policy)
    for group in [*policy["allow"], *policy["filters"]]:
        calls = sorted(wanted.intersection(left_out, group["calls"]))
        lines += [f"{call}: {LEVEL_REASON} What it is for: {group['reason']}" for call in calls]
    return lines


def _errno_number(name: str) -> int:
    return int(getattr(errno, name))


def _comparisons(args: Sequence[Mapping[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    """Every combination of the listed values; always masked, see INT_MASK in the comment of the policy's filters."""
    alternatives = []
    for arg in args:
        values = arg["values"]
        numbers = values.values() if isinstance(values, Mapping) else values
        alternatives.append(
            [
                {
                    "index": arg["index"],
                    "value": arg.get("mask", INT_MASK),
                    "valueTwo": number,
                    "op": "SCMP_CMP_MASKED_EQ",
                }
                for number in numbers
            ]
        )
    return (list(combination) for combination in itertools.product(*alternatives))


def _filter_rules(group: Mapping[str, Any], removed: set[str]) -> Iterable[Rule]:
    names = sorted(set(group["calls"]) - removed)
    if not names:
        return
    for case in group["cases"]:
        for args in _comparisons(case["args"]):
            rule: Rule = {"names": names, "action": "SCMP_ACT_ALLOW", "args": args}
            if "errno" in case:
                rule["action"] = "SCMP_ACT_ERRNO"
                rule["errnoRet"] = _errno_number(case["errno"])
            yield rule


def _learning(policy: Policy) -> Policy:
    """The policy of learning mode: what is not sealed is done and logged, so its refusals go away.

    A sealed filter must say what it refuses, since the default action no longer does. Only filters of the form "none of
    these bits" can be sealed: each bit becomes a refusal.
    """
    filters = []
    for group in policy["filters"]:
        cases = [case for case in group["cases"] if "errno" not in case]
        if group.get("sealed"):
            (arg,) = cases[0]["args"]
            bits = [1 << bit for bit in range(arg["mask"].bit_length()) if arg["mask"] >> bit & 1]
            cases += [
                {"errno": "EPERM", "args": [{"index": arg["index"], "mask": bit, "values": [bit]}]} for bit in bits
            ]
        filters.append({**group, "cases": cases})
    return {**policy, "filters": filters, "deny": [group for group in policy["deny"] if group.get("sealed")]}


def _allow_rules(policy: Policy, opened: set[str], removed: set[str]) -> Iterator[Rule]:
    for group in policy["allow"]:
        names = sorted(set(group["calls"]) - removed)
        if names:
            yield {"comment": f"{group['category']}: {group['reason']}", "names": names, "action": "SCMP_ACT_ALLOW"}
    if opened:
        yield {"comment": "seccomp_extra_allowed", "names": sorted(opened), "action": "SCMP_ACT_ALLOW"}
    for group in policy["filters"]:
        expanded = list(_filter_rules(group, removed))
        if expanded:  # the reason stands once, over the first of its rules
            yield {"comment": group["reason"], **expanded[0]}
            yield from expanded[1:]


def _deny_rules(policy: Policy, opened: set[str], newly_denied: list[str]) -> Iterator[Rule]:
    for group in policy["deny"]:
        names = sorted(set(group["calls"]) - opened)
        if names:
            yield _refusal(f"{group['group']}: {group['reason']}", names, _errno_number(group["errno"]))
    if newly_denied:
        yield _refusal("seccomp_extra_denied", newly_denied, errno.EPERM)


def _refusal(comment: str, names: list[str], number: int) -> Rule:
    return {"comment": comment, "names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": number}


def render_profile(
    policy: Policy, extra_allowed: Sequence[str] = (), extra_denied: Sequence[str] = ()
) -> dict[str, Any]:
    """The profile as JSON-ready data, in an order that depends on the policy alone."""
    problems = policy_problems(policy) + wish_problems(policy, extra_allowed, extra_denied)
    if problems:
        raise PolicyError(problems)
    policy = at_level(policy, extra_allowed)
    removed = set(extra_denied)
    opened = set(extra_allowed) - _allowed(policy)
    already_denied = calls_of(policy["deny"])
    learning = policy["mode"] == "learn"
    if learning:
        policy = _learning(policy)

    rules = [
        *_allow_rules(policy, opened, removed),
        *_deny_rules(policy, opened, sorted(removed - already_denied)),
    ]
    default = {"defaultAction": "SCMP_ACT_LOG"} if learning else DEFAULT_REFUSAL
    return {
        **default,
        "archMap": [{"architecture": name, "subArchitectures": []} for name in policy["architectures"]],
        "syscalls": rules,
    }


def profile_text(profile: Mapping[str, Any]) -> str:
    """JSON with one rule a line, so that a diff shows rules rather than brackets."""
    head = "".join(f"  {json.dumps(key)}: {json.dumps(profile[key])},\n" for key in profile if key != "syscalls")
    rules = ",\n".join(f"    {json.dumps(rule)}" for rule in profile["syscalls"])
    return f'{{\n{head}  "syscalls": [\n{rules}\n  ]\n}}\n'
