# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who types what a page says: a directory and a shell of his own, and the host by ssh."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .page import ByHand, Command, File, Step, is_printed

# What a command sets is there for the next one, as in a terminal.
_SHELL = """set -a
cd "$1"
if [ -e "$2" ]; then . "$2"; cd "$PWD"; fi
eval "$3"
status=$?
export -p | grep -v ' \\(SHLVL\\|OLDPWD\\)=' >"$2"
exit $status
"""


class WrongPageError(Exception):
    """A page says what is not so."""


@dataclass
class Person:
    """Does the steps of pages.

    ``words``: what stands for the words in capitals that a reader replaces. ``host``: how to reach the host.
    """

    folder: Path
    environment: Mapping[str, str]
    words: Mapping[str, str]
    host: str
    commands: int = 0
    files: int = 0
    left: list[str] = field(default_factory=list)

    def follow(self, page: str, steps: list[Step]) -> None:
        """Do the steps in order; the first that is not as the page says ends it."""
        for step in steps:
            where = f"{page}:{step.line}"
            match step:
                case File():
                    file = self.folder / step.path
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(self._replaced(step.text))
                    self.files += 1
                    print(f"  {where}: wrote {step.path}", flush=True)
                case Command():
                    self._type(where, step)
                    self.commands += 1
                case ByHand():
                    lines = " && ".join(step.text.split("\n")).removesuffix(" && ")
                    self.left.append(f"{where}: {' '.join(lines.split())} ({step.reason})")

    def _type(self, where: str, command: Command) -> None:
        text = self._replaced(command.text)
        began = time.monotonic()
        done = self._run(text, on_host=command.on_host, typed=command.typed)
        output = done.stdout + done.stderr
        print(f"  {where}: {'#' if command.on_host else '$'} {' '.join(text.split())}", end="", flush=True)
        print(f" ({time.monotonic() - began:.0f} s)", flush=True)
        if done.returncode != 0:
            raise WrongPageError(f"{where}: '{text}' ended with {done.returncode}:\n{output}")
        if "provided hosts list is empty" in output:
            raise WrongPageError(f"{where}: '{text}' has no inventory, and did nothing:\n{output}")
        if missing := [line for line in command.printed if not is_printed(line, output)]:
            raise WrongPageError(f"{where}: '{text}' did not print {missing}, but:\n{output}")

    def _run(self, text: str, *, on_host: bool, typed: str) -> subprocess.CompletedProcess[str]:
        folder, state = ("/root", "/run/newcomer") if on_host else (str(self.folder), str(self.folder / ".terminal"))
        call = ["bash", "-c", _SHELL, "bash", folder, state, text]
        if on_host:
            call = ["ssh", self.host, shlex.join(call)]
        return subprocess.run(call, input=typed, capture_output=True, text=True, env=dict(self.environment))

    def _replaced(self, text: str) -> str:
        for word, meaning in self.words.items():
            text = text.replace(word, meaning)
        return text
