# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the variables that somebody gave a role. Pure: specifications and values in, sentences out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator


def unknown(role: str, specification: Mapping[str, Any], given: Iterable[str]) -> list[str]:
    """One sentence about the names that have the role's prefix and that its specification does not have."""
    names = sorted(set(given) - set(specification))
    if not names:
        return []
    listed = ", ".join(f"'{name}'" for name in names)
    known = ", ".join(sorted(specification))
    return [f"the role {role} has no variable {listed}; correct the name, or remove it. Known variables: {known}"]


def checkable(specification: Mapping[str, Any], given: Iterable[str]) -> list[str]:
    """The known names whose values may appear in an error: nothing in them is marked as secret."""
    return sorted(name for name in given if name in specification and not _secret(specification[name]))


def mistyped(role: str, specification: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """A sentence for every value that its specification refuses; what is not given has the role's default."""
    part = {name: {**specification[name], "required": False} for name in values}
    errors = ArgumentSpecValidator(part).validate(dict(values), validate_role_argument_spec=True).error_messages
    return [f"the role {role} cannot use a value: {error}" for error in errors]


def unseen(names: Iterable[str], given: Iterable[str], extra: Iterable[str]) -> list[str]:
    """A sentence for every name that a play reads before it has a host, and that is set for hosts only."""
    return [
        f"{name} is set in the inventory, where no play sees it; take it out, and give it by -e {name}=..."
        for name in sorted(set(names) & set(given) - set(extra))
    ]


def told(host: str, problems: Sequence[str]) -> str:
    """The error of one host."""
    return f"cannot configure {host}; nothing was changed: " + "; ".join(problems)


def _secret(option: Mapping[str, Any]) -> bool:
    return bool(option.get("no_log")) or any(_secret(inner) for inner in option.get("options", {}).values())
