# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is learned from an answer while it passes, and, for pages of package indexes, what is made of it."""

from __future__ import annotations

import hashlib
from typing import Final

from .decision import Forward
from .grammar import Fields
from .metering.usage import Meter, Usage
from .refusals import Refusal


class Observer:
    """Sees every answer; by itself it does nothing with it."""

    def begin(self, _status: int, _fields: Fields, /) -> bool:
        """See the head; True when the body will be rewritten as a whole."""
        return False

    def feed(self, data: bytes) -> None:
        """See a piece of the body."""

    def rewrite(self, body: bytes) -> tuple[str, bytes]:
        """Return the content type and body that the client gets."""
        raise NotImplementedError

    def usage(self) -> Usage | None:
        """Return the tokens that the answer cost, when it is one that costs."""
        return None

    def facts(self) -> dict[str, object]:
        """Return what the audit log says about the answer."""
        return {}


UNOBSERVED: Final = Observer()


class ModelObserver(Observer):
    """Reads the tokens."""

    def __init__(self) -> None:
        """Begin before the answer; a request that the API refuses costs nothing."""
        self._meter: Meter | None = None
        self._refused = False

    def begin(self, status: int, fields: Fields, /) -> bool:
        """Choose how to read."""
        if 200 <= status < 300:
            self._meter = Meter(fields)
        else:
            self._refused = True
        return False

    def feed(self, data: bytes) -> None:
        """Read on."""
        if self._meter is not None:
            self._meter.feed(data)

    def usage(self) -> Usage | None:
        """Return the figures, which are none yet where the answer never began: it may have cost all the same."""
        if self._meter is not None:
            return self._meter.finish()
        return None if self._refused else Usage()


class PackageObserver(Observer):
    """Hashes files and rewrites pages."""

    def __init__(self, forward: Forward) -> None:
        """Do what the decision says."""
        self._transform = forward.transform
        self._digest = hashlib.sha256() if forward.digest else None
        self._kind = ""

    def begin(self, status: int, fields: Fields, /) -> bool:
        """Refuse redirects, which would lead around the mirror, and parts; rewrite good answers only."""
        if 300 <= status < 400 and status != 304:
            raise Refusal("upstream-redirect")
        if 200 < status < 300:
            raise Refusal("upstream-answer", detail=f"status {status}, where only a whole answer was asked for")
        self._kind = next((value for name, value in fields if name == b"content-type"), b"").decode("latin-1")
        if status != 200:
            self._digest = None
        return self._transform is not None and status == 200

    def feed(self, data: bytes) -> None:
        """Hash on."""
        if self._digest is not None:
            self._digest.update(data)

    def rewrite(self, body: bytes) -> tuple[str, bytes]:
        """Make the client's page."""
        assert self._transform is not None
        return self._transform(self._kind, body)

    def facts(self) -> dict[str, object]:
        """Return the hash of what passed."""
        return {"sha256": self._digest.hexdigest()} if self._digest is not None else {}


def observer_of(forward: Forward) -> Observer:
    """Choose who looks at the answer."""
    if forward.metered:
        return ModelObserver()
    if forward.digest or forward.transform is not None:
        return PackageObserver(forward)
    return UNOBSERVED
