# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure decisions about daemon.json: what it shall say, and how that differs from what it says.

Note that this module util is PRIVATE to the collection.

Rules: objects merge key by key; the option lists of dockerd ("name=value" strings) merge by name; every
other value is replaced as a whole. What nobody asks about stays as it is.
"""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

#: Lists of "name=value" strings: a list in JSON, a mapping in meaning.
OPTION_LISTS = frozenset({"exec-opts", "storage-opts"})


#: What dockerd 20.10 to 28 take over from the file on SIGHUP, by its reference page; the rest needs a restart.
RELOADABLE = frozenset(
    {
        "allow-nondistributable-artifacts",
        "authorization-plugins",
        "debug",
        "default-runtime",
        "features",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)


@dataclass(frozen=True)
class Difference:
    """One setting that changes. `key` is a path such as `log-opts/max-size`."""

    key: str
    action: str
    before: Any
    after: Any

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def request_problems(settings: dict[str, Any], remove: list[str]) -> list[str]:
    """Everything wrong with the request itself, before the host is looked at."""
    problems = [
        f"cannot set {key}: its value is null; list the key in remove to take it out"
        for key, value in settings.items()
        if value is None
    ]
    for path in remove:
        parts = path.split("/")
        if len(parts) > 2 or not all(parts):
            problems.append(f"cannot remove {path!r}: write KEY or KEY/ENTRY, such as storage-opts/size")
        elif _value_at(settings, parts) is not None:
            problems.append(f"cannot remove {path}: settings sets it in the same task; choose one of the two")
    return problems


def merge(current: dict[str, Any], settings: dict[str, Any], remove: list[str]) -> dict[str, Any]:
    """What the file shall say: current without `remove`, then with `settings`."""
    desired = copy.deepcopy(current)
    for path in remove:
        _remove(desired, path)
    for key, value in settings.items():
        desired[key] = _merged(key, desired.get(key), value)
    return desired


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """The settings whose meaning changes, sorted by path. Order and white space mean nothing."""
    return sorted(_compare("", before, after), key=lambda difference: difference.key)


def reload_suffices(changes: list[Difference]) -> bool:
    """Whether dockerd can take all changes over without a restart."""
    return all(change.key.split("/", 1)[0] in RELOADABLE for change in changes)


def excerpt(document: dict[str, Any], changes: list[Difference]) -> dict[str, Any]:
    """The top-level keys of document that changes touch.

    Diffs show only these: other keys are foreign, and a proxy setting may hold a password.
    """
    touched = {change.key.split("/", 1)[0] for change in changes}
    return {key: value for key, value in document.items() if key in touched}


def entries(key: str, value: Any) -> dict[str, Any] | None:
    """The entries of an object or option list; None for a value that has none."""
    if key in OPTION_LISTS and _is_option_list(value):
        return dict(_options(value))
    return value if isinstance(value, dict) else None


def with_entry(key: str, name: str, value: Any) -> dict[str, Any]:
    """The settings that give one entry of an object or option list its value."""
    return {key: [f"{name}={value}"] if key in OPTION_LISTS else {name: value}}


def _merged(key: str, old: Any, new: Any) -> Any:
    if key in OPTION_LISTS and _is_option_list(old) and _is_option_list(new):
        return [f"{name}={value}" for name, value in {**_options(old), **_options(new)}.items()]
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: _merged(name, old.get(name), value) for name, value in new.items()}}
    return copy.deepcopy(new)


def _remove(document: dict[str, Any], path: str) -> None:
    key, _slash, entry = path.partition("/")
    if not entry:
        document.pop(key, None)
        return
    holder = document.get(key)
    if isinstance(holder, dict) and entry in holder:
        del holder[entry]
    elif key in OPTION_LISTS and _is_option_list(holder) and entry in _options(holder):
        document[key] = holder = [option for option in holder if _option_name(option) != entry]
    else:
        return
    if not holder:
        # An emptied list or object says nothing; leaving it would only puzzle the next reader.
        del document[key]


def _compare(prefix: str, before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    found: list[Difference] = []
    for name in [*before, *(name for name in after if name not in before)]:
        path = f"{prefix}{name}"
        if name not in after:
            found.append(Difference(path, "removed", before[name], None))
        elif name not in before:
            found.append(Difference(path, "added", None, after[name]))
        else:
            found.extend(_compare_values(path, before[name], after[name]))
    return found


def _compare_values(path: str, old: Any, new: Any) -> list[Difference]:
    if path in OPTION_LISTS and _is_option_list(old) and _is_option_list(new):
        old, new = _options(old), _options(new)
    if isinstance(old, dict) and isinstance(new, dict):
        return _compare(f"{path}/", old, new)
    # As JSON, because in Python True equals 1.
    if json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True):
        return []
    return [Difference(path, "changed", old, new)]


def _value_at(settings: dict[str, Any], parts: list[str]) -> Any:
    value = settings.get(parts[0])
    if len(parts) == 1:
        return value
    if parts[0] in OPTION_LISTS and _is_option_list(value):
        return _options(value).get(parts[1])
    return value.get(parts[1]) if isinstance(value, dict) else None


def _is_option_list(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(option, str) for option in value)


def _option_name(option: str) -> str:
    return option.partition("=")[0]


def _options(options: list[str]) -> dict[str, str]:
    return {_option_name(option): option.partition("=")[2] for option in options}
