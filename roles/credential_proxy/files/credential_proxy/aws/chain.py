# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys from AWS's own chain (files, a credential process, the instance's role), renewed before they expire.

botocore does it, which the distribution packages; it works in a thread of its own, because it may wait for the network.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from ..secret import AwsKeys, Secret

_RENEW_SECONDS: Final = 60.0


class KeyChain:
    """Asks the chain again and again; botocore itself renews keys fifteen minutes before their end."""

    def __init__(self, take: Callable[[AwsKeys | None], None]) -> None:
        """Give every answer to ``take``, which is called in the thread; None when there are no keys."""
        self._take = take
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="aws-keys", daemon=True)

    def start(self) -> None:
        """Ask for the first time."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def _run(self) -> None:
        credentials: Any = None
        while not self._stopped.is_set():
            keys = None
            try:
                credentials = credentials or _find()
                keys = _frozen(credentials)
            except Exception as error:  # whatever a link of the chain raises
                print(f"cannot get keys from AWS's chain: {error}; trying again in a minute", file=sys.stderr)
            if not self._stopped.is_set():
                self._take(keys)
            self._stopped.wait(_RENEW_SECONDS)


def _find() -> Any:
    import botocore.session

    credentials = botocore.session.get_session().get_credentials()
    if credentials is None:
        raise LookupError("it has no credentials")
    return credentials


def _frozen(credentials: Any) -> AwsKeys:
    """Take one consistent set of keys; this is where botocore renews them."""
    frozen = credentials.get_frozen_credentials()
    return AwsKeys(
        access_key_id=frozen.access_key,
        secret_access_key=Secret(frozen.secret_key.encode()),
        session_token=Secret(frozen.token.encode()) if frozen.token else None,
    )
