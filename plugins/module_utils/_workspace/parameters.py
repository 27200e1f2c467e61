# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Options as plain Python values: types, defaults, environment variables.

Ansible does this for the options of a task. For the entries of `workspaces`, and for the Python door, it is done here,
from the same table.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .options import OPTIONS
from .request import LAYERS

Argument = Mapping[str, Any]

STATES = ("present", "started", "stopped", "absent")

# How the container is to be kept, beside what it shall be.
TASK_ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": list(STATES), "default": "started"},
    "recreate": {"type": "bool", "default": False},
    "required_layers": {"type": "list", "elements": "str", "choices": list(LAYERS), "default": list(LAYERS)},
    # The paths are no secret; the content never leaves search.py.
    "secret_files": {"type": "list", "elements": "path", "default": [], "no_log": False},
    "start_timeout": {"type": "int", "default": 30},
    # Its own options are those of workspace_archive, which looks at them when it is needed.
    "archive": {"type": "dict"},
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    **{option.name: option.argument for option in OPTIONS if option.argument is not None},
    **TASK_ARGUMENTS,
}
VARIABLES: dict[str, str] = {option.name: option.variable for option in OPTIONS if option.variable}

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


def defaults() -> dict[str, Any]:
    """Every option, from its environment variable where that is set, else its default."""
    found = {name: argument.get("default") for name, argument in ARGUMENTS.items()}
    return found | {name: os.environ[variable] for name, variable in VARIABLES.items() if variable in os.environ}


def typed_options(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options that were given, each in its type, and what is wrong with the rest."""
    found: dict[str, Any] = {}
    problems = []
    for name, value in given.items():
        if name not in ARGUMENTS:
            problems.append(f"{name!r} is no option; see the documentation of workspace_container")
            continue
        try:
            found[name] = typed(ARGUMENTS[name], value)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return found, problems


def typed(argument: Argument, value: Any) -> Any:
    """A value in the type of its argument; ValueError when it has no such reading."""
    if value is None:
        return None
    convert = {"str": _text, "path": _text, "bool": _truth, "int": _number, "list": _list, "dict": _mapping}
    found = convert[argument["type"]](argument, value)
    choices = argument.get("choices", ())
    for entry in found if isinstance(found, list) else [found]:
        if choices and entry not in choices:
            raise ValueError(f"{entry!r} is not one of {', '.join(choices)}")
    return found


def _text(_argument: Argument, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int)):
        return str(value)
    raise ValueError(f"{value!r} is no text")


def _truth(_argument: Argument, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"{value!r} is neither true nor false")
    return word in _TRUE


def _number(_argument: Argument, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"{value!r} is no whole number")
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"{value!r} is no whole number") from None


def _list(argument: Argument, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{value!r} is no list")
    element = {"type": argument["elements"], "options": argument.get("options")}
    return [typed(element, entry) for entry in value]


def _mapping(argument: Argument, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no mapping")
    options = argument.get("options")
    if not options:
        return dict(value)
    if unknown := sorted(map(str, value.keys() - options.keys())):
        raise ValueError(f"unknown key {', '.join(unknown)}; known are {', '.join(options)}")
    if missing := [key for key, option in options.items() if option.get("required") and value.get(key) is None]:
        raise ValueError(f"{', '.join(missing)} is missing")
    return {key: typed(option, value.get(key, option.get("default"))) for key, option in options.items()}
