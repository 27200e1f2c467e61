# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit log's line of a decision says, as fragments: about the request, and about what was allowed."""

from __future__ import annotations

from .audit import clip
from .chain import fragment, quote
from .decision import Decision, Forward, Tunnel
from .request import RequestHead


def asked(head: RequestHead) -> str:
    """Say what was asked for; the query is left out."""
    path = head.target.partition("?")[0]
    return f',"method":{quote(head.method)},"path":{quote(clip(path))}'


def allowed(decision: Decision) -> str:
    """Say that it may pass, and where to."""
    if isinstance(decision, Tunnel):
        return f',"verdict":"allow","route":"tunnels","host":{quote(decision.host.host)}'
    line = f',"verdict":"allow","route":"{decision.route.name}"'
    if isinstance(decision, Forward):
        if decision.model:
            line += f',"model":{quote(decision.model[:128])}'
        if decision.facts:
            line += fragment(decision.facts)
    return line
