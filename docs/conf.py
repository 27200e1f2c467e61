# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx settings of the documentation site; `make docs` builds it."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

project = "bulkhead.workspace"
copyright = "bulkhead.workspace contributors"  # noqa: A001  the name that Sphinx reads
language = "en"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "bulkhead.workspace"
html_copy_source = False

ANSIBLE = "https://docs.ansible.com/ansible/latest"
PAGES = {
    "action_plugins": "plugins/action",
    "callback_plugins": "plugins/callback",
    "ansible_configuration_settings": "reference_appendices/config",
    "common_return_values": "reference_appendices/common_return_values",
}


def _ansible_page(label: str) -> str | None:
    """The address of a page of ansible-core's documentation that the generated reference names by its label."""
    if page := PAGES.get(label):
        return f"{ANSIBLE}/{page}.html"
    if found := re.fullmatch(r"ansible_collections\.ansible\.builtin\.(\w+)", label):
        return f"{ANSIBLE}/collections/ansible/builtin/{found[1]}.html"
    return None


def _link_to_ansible(_app: Sphinx, _env: object, node: pending_xref, content: nodes.Element) -> nodes.reference | None:
    # Not by intersphinx: that asks a server for its inventory, and a build needs no network.
    page = _ansible_page(node.get("reftarget", ""))
    return nodes.reference("", "", content, internal=False, refuri=page) if page else None


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", _link_to_ansible)
