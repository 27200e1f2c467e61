# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dockerd itself said last, out of its journal. Pure.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import re

_MESSAGE = re.compile(r'\bmsg="((?:[^"\\]|\\.)*)"')
#: How a dying dockerd begins its last line, in versions 20.10 to 28.
_DYING = ("failed to start daemon", "unable to configure the Docker daemon", "failed to load listeners")
_MAX_LINES = 5
#: "Error reconfiguring the daemon: ..." and "unable to configure the Docker daemon with file ...".
_RELOADING = re.compile(r"reconfigur|configure the Docker daemon|Error reload", re.IGNORECASE)


def last_words(lines: list[str]) -> str:
    """The cause of death: the last dying line, else the errors, else the end of the log; empty without a log."""
    said = [_plain(line) for line in lines if line.strip()]
    dying = [line for line in said if line.startswith(_DYING)]
    if dying:
        return dying[-1]
    errors = [_plain(line) for line in lines if re.search(r"\blevel=(fatal|error)\b", line)]
    return " | ".join((errors or said)[-_MAX_LINES:])


def reload_refusal(lines: list[str]) -> str:
    """Why a running dockerd did not take its file again; empty where it did, or has not said yet."""
    errors = [line for line in lines if re.search(r"\blevel=(fatal|error)\b", line)]
    said = [_plain(line) for line in errors]
    return next((words for words in reversed(said) if _RELOADING.search(words)), "")


def _plain(line: str) -> str:
    match = _MESSAGE.search(line)
    return match.group(1).replace('\\"', '"') if match else line.strip()
