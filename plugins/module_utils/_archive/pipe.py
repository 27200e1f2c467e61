# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program zstd as a filter, with a thread on its far side.

Note that this module util is PRIVATE to the collection.

A stream that ends early looks like one that is complete. So whoever reads to the end learns here whether the other
side got to its end, before it is told that there is no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, BinaryIO, cast

from .errors import ArchiveError


class _Filter:
    """zstd, and a thread that writes to it; this side reads."""

    def __init__(self, arguments: list[str], write: Callable[[BinaryIO], Any]) -> None:
        try:
            # Its words are few (-q), so they cannot fill the pipe while nobody reads them.
            self._process = subprocess.Popen(
                ["zstd", "-q", "-c", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise ArchiveError(
                f"cannot run zstd: {error.strerror}; install the Debian package zstd on this host"
            ) from error
        self._write = write
        self._failure: BaseException | None = None
        self.result: Any = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends zstd if it still runs. Where the far side has failed, its reason counts, not what followed from it."""
        self._process.kill()
        self._process.wait()
        self._thread.join()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        if error is not None and self._failure is not None and self._failure is not error:
            raise self._failure from error

    def _work(self) -> None:
        try:
            with cast(BinaryIO, self._process.stdin) as sink:
                self.result = self._write(sink)
        except BrokenPipeError:
            pass  # zstd has ended, and says itself why
        except BaseException as error:
            self._failure = error

    def _take(self, size: int) -> bytes:
        data: bytes = cast(BinaryIO, self._process.stdout).read(size)
        if data:
            return data
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        if self._process.wait() != 0:
            words = cast(BinaryIO, self._process.stderr).read().decode(errors="replace").strip()
            raise ArchiveError(f"cannot run zstd: {words or self._process.returncode}; the archive may be damaged")
        return b""


class Compressed(_Filter):
    """What `write` writes, compressed: to be read to its end. `size` and `sha256` speak of what was read so far."""

    def __init__(self, write: Callable[[BinaryIO], Any], level: int) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        super().__init__([f"-{level}"], write)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        data = self._take(size)
        self.size += len(data)
        self._hash.update(data)
        return data


class Decompressed(_Filter):
    """The pieces of a compressed stream, decompressed. `sha256` speaks of the pieces, once they are all read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._hash = hashlib.sha256()
        super().__init__(["-d"], lambda sink: self._feed(pieces, sink))

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def _feed(self, pieces: Iterable[bytes], sink: BinaryIO) -> None:
        for piece in pieces:
            self._hash.update(piece)
            sink.write(piece)

    def read(self, size: int = -1) -> bytes:
        return self._take(size)

    def drain(self) -> None:
        """Reads what is left: the end of a tar is not the end of the stream."""
        with contextlib.suppress(ValueError):
            while self._take(1 << 20):
                pass
