# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented options are the options: same names, types, choices and defaults, down to the leaves."""

from __future__ import annotations

import importlib
from typing import Any
from unittest import mock

import pytest
import yaml

MODULES = ("workspace_container", "workspace_container_info", "workspace_reap", "workspace_probe")
BASE = "ansible_collections.bulkhead.workspace.plugins"


class _SpecificationSeen(Exception):
    """Carries the argument specification out of main()."""


def argument_spec(module: Any) -> dict[str, Any]:
    """What the module gives to AnsibleModule."""
    seen = mock.patch.object(module, "AnsibleModule", side_effect=lambda **kwargs: _raise(kwargs["argument_spec"]))
    with seen, pytest.raises(_SpecificationSeen) as caught:
        module.main()
    specification: dict[str, Any] = caught.value.args[0]
    return specification


def _raise(specification: dict[str, Any]) -> None:
    raise _SpecificationSeen(specification)


def documented(module: Any) -> dict[str, Any]:
    """The module's options with those of its fragments."""
    document = yaml.safe_load(module.DOCUMENTATION)
    options = dict(document["options"])
    for fragment in document["extends_documentation_fragment"]:
        name, _, variant = fragment.removeprefix("bulkhead.workspace.").partition(".")
        holder = importlib.import_module(f"{BASE}.doc_fragments.{name}").ModuleDocFragment
        options |= yaml.safe_load(getattr(holder, variant.upper() or "DOCUMENTATION"))["options"]
    return options


def compare(documented_options: dict[str, Any], specification: dict[str, Any]) -> None:
    assert documented_options.keys() == specification.keys()
    for name, option in specification.items():
        entry = documented_options[name]
        for key in ("type", "elements", "choices", "default", "required"):
            assert entry.get(key) == option.get(key) or (option.get(key), entry.get(key)) == (None, False), (name, key)
        if "options" in option:
            compare(entry["suboptions"], option["options"])
        for _, variables in [option["fallback"]] if "fallback" in option else []:
            assert f"E({variables[0]})" in str(entry["description"])


@pytest.mark.parametrize("name", MODULES)
def test_documentation_and_arguments_agree(name: str) -> None:
    module = importlib.import_module(f"{BASE}.modules.{name}")
    compare(documented(module), argument_spec(module))
    assert yaml.safe_load(module.EXAMPLES)
    assert all("sample" in entry or "contains" in entry for entry in yaml.safe_load(module.RETURN).values())
