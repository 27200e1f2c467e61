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


@dataclass
class Person:
    """Does the steps of pages.

    ``words``: what stands for the words in capitals that a reader replaces. ``host``: how to reach the host.
    ``hands``: for words of a block that no script can take from the page, what is done on the host in its place.
    """

    folder: Path
    environment: Mapping[str, str]
    words: Mapping[str, str]
    host: str
    hands: Mapping[str, str]
    commands: int = 0
    files: int = 0
    left: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def follow(self, page: str, steps: list[Step]) -> None:
        """Do the steps in order. What is not as the page says is kept, and the reader goes on."""
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
                    self.left.append(f"{where}: {' '.join(step.text.split())} ({step.reason})")
                    for words, act in self.hands.items():
                        if words in step.text:
                            self._type(where, Command(step.line, True, act, ""))

    def _type(self, where: str, command: Command) -> None:
        text = self._replaced(command.text)
        began = time.monotonic()
        done = self._run(text, on_host=command.on_host, typed=command.typed)
        output = done.stdout + done.stderr
        print(f"  {where}: {'#' if command.on_host else '$'} {' '.join(text.split())}", end="", flush=True)
        print(f" ({time.monotonic() - began:.0f} s)", flush=True)
        if done.returncode != 0:
            self._complain(f"{where}: '{text}' ended with {done.returncode}", output)
        elif "provided hosts list is empty" in output:
            self._complain(f"{where}: '{text}' has no inventory, and did nothing", output)
        elif missing := [line for line in command.printed if not is_printed(line, output)]:
            self._complain(f"{where}: '{text}' did not print {missing}", output)

    def _complain(self, what: str, output: str) -> None:
        print(f"  WRONG: {what}:\n{output}", flush=True)
        self.wrong.append(what)

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
