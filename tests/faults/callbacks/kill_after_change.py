# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the whole play, as a broken controller would, after so many changing tasks as BULKHEAD_KILL_AFTER says."""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: kill_after_change
type: notification
short_description: Kill the play after a number of changing tasks
description: For tests of what a play leaves behind that is cut short.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kill_after_change"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._left = int(os.environ.get("BULKHEAD_KILL_AFTER", "0"))

    def v2_runner_on_ok(self, result: Any) -> None:
        if result._result.get("changed") and self._left:
            self._left -= 1
            if not self._left:
                os.killpg(0, signal.SIGKILL)
