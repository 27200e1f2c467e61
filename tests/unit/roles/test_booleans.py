# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A truth that somebody gave as a text counts by its word.

A role's specification checks a value and leaves it as it is, so `-e docker_userns_restart_ok=false` stays the text
"false", which is true to Jinja wherever no `| bool` stands behind the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment, nodes

ROOT = Path(__file__).parents[3]
FILES = sorted(
    file
    for file in [*ROOT.glob("roles/**/*"), *ROOT.glob("playbooks/**/*")]
    if file.suffix in (".yml", ".j2") and not {"meta", "files"} & set(file.relative_to(ROOT).parts)
)
TRUTHS = frozenset(
    name
    for file in ROOT.glob("roles/*/meta/argument_specs.yml")
    for name, option in yaml.safe_load(file.read_text())["argument_specs"]["main"]["options"].items()
    if option["type"] == "bool"
)
# What Ansible reads as an expression although no braces are around it.
CONDITIONS = ("when", "that", "failed_when", "changed_when", "until")
MODULE = re.compile(r"\w+\.\w+\.\w+")
# These take anything, and convert nothing.
UNTYPED = ("ansible.builtin.debug", "ansible.builtin.include_tasks", "ansible.builtin.set_fact")


def expressions(value: Any, key: str = "", above: str = "") -> Iterator[str]:
    """Every template of a YAML document, but for those that are the whole value of a module's option."""
    if isinstance(value, dict):
        for name, entry in value.items():
            yield from expressions(entry, str(name), key)
    elif isinstance(value, list):
        for entry in value:
            yield from expressions(entry, key, above)
    elif isinstance(value, str):
        if key in CONDITIONS:
            yield "{{ " + value + " }}"
        elif not (MODULE.fullmatch(above) and above not in UNTYPED and re.fullmatch(r"\{\{ \w+ \}\}", value)):
            yield value


def unconverted(node: nodes.Node, converted: bool = False) -> Iterator[str]:
    """The truths of a parsed template that no `bool` is behind; `default` may come between."""
    if isinstance(node, nodes.Name | nodes.Getattr) and not converted:
        name = node.name if isinstance(node, nodes.Name) else node.attr
        if name in TRUTHS:
            yield name
    if isinstance(node, nodes.Filter) and node.node is not None:
        yield from unconverted(node.node, node.name == "bool" or (converted and node.name == "default"))
        rest = [*node.args, *node.kwargs]
    else:
        rest = list(node.iter_child_nodes())
    for child in rest:
        yield from unconverted(child)


def wrong(template: str) -> list[str]:
    return list(unconverted(Environment().parse(template)))  # noqa: S701  read, never rendered


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_use_of_a_truth_converts_it(file: Path) -> None:
    text = file.read_text()
    templates = [text] if file.suffix == ".j2" else list(expressions(yaml.safe_load(text)))
    assert {template: names for template in templates if (names := wrong(template))} == {}


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{{ gvisor_install | bool }}", []),
        ("{{ gvisor_install | default(true) | bool and 1 }}", []),
        ("{{ hostvars[h].gvisor_install | default(true) | bool }}", []),
        ("set gvisor_install to true {{ 'or gvisor_install' }}", []),
        ("{{ gvisor_install }}", ["gvisor_install"]),
        ("{% if not gvisor_install %}{% endif %}", ["gvisor_install"]),
        ("{{ (gvisor_install and x) | bool }}", ["gvisor_install"]),
        ("{{ gvisor_install | default(true) }}", ["gvisor_install"]),
        ("{{ x | default(gvisor_install) | bool }}", ["gvisor_install"]),
        ("{{ hostvars[h].gvisor_install }}", ["gvisor_install"]),
    ],
)
def test_what_counts_as_converted(template: str, found: list[str]) -> None:
    assert wrong(template) == found


@pytest.mark.parametrize(
    ("task", "seen"),
    [
        ({"a.b.c": {"x": "{{ gvisor_install }}"}}, 0),
        ({"a.b.c": {"x": {"y": "{{ gvisor_install }}"}}}, 1),
        ({"ansible.builtin.set_fact": {"x": "{{ gvisor_install }}"}}, 1),
        ({"vars": {"x": "{{ gvisor_install }}"}}, 1),
        ({"when": ["gvisor_install"]}, 1),
    ],
)
def test_only_an_option_of_a_module_converts_by_itself(task: dict[str, Any], seen: int) -> None:
    assert len([name for template in expressions(task) for name in wrong(template)]) == seen
