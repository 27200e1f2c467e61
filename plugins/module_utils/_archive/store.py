# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archives of one conversation in a bucket: every request that saving and restoring make.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from .._s3.connection import Connection
from .._s3.errors import S3Error
from . import manifest
from .arguments import Settings
from .errors import ArchiveError
from .manifest import MANIFEST, WORKSPACE, Manifest
from .pipe import Compressed

# Parts of an upload. S3 takes 10,000 of them, so this is good for 156 GiB.
PART_BYTES = 16 << 20
PARALLEL_PARTS = 2
READ_BYTES = 1 << 20


class Archived(ArchiveError):
    """The object is in an archive class and must be retrieved first."""


class Store:
    """One conversation's place in the bucket. Failures leave as S3Error or ArchiveError."""

    def __init__(self, settings: Settings, conversation_id: str) -> None:
        self._settings = settings
        self._conversation_id = conversation_id
        self._connection = Connection(settings.access)

    @property
    def place(self) -> str:
        return f"{self._settings.prefix}{self._conversation_id}/"

    @property
    def address(self) -> str:
        return f"s3://{self._settings.bucket}/{self.place}"

    def address_of(self, name: str) -> str:
        return f"{self.address}{name}/"

    def names(self) -> list[str]:
        """The archives that are whole, oldest first."""
        sizes: dict[str, int] = {}
        more: dict[str, str] = {}
        while True:
            answer = self._call("list", "s3:ListBucket", "list_objects_v2", Prefix=self.place, **more)
            sizes |= {entry["Key"]: entry["Size"] for entry in answer.get("Contents", [])}
            if not answer.get("IsTruncated"):
                return manifest.complete(sizes, self.place)
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def manifest(self, name: str) -> Manifest:
        answer = self._get(name, MANIFEST)
        text = self._connection.guard(f"read {self.address_of(name)}{MANIFEST}", "s3:GetObject", answer["Body"].read)
        found = manifest.parse(text, f"{self.address_of(name)}{MANIFEST}")
        if (found.name, found.conversation_id) != (name, self._conversation_id):
            raise ArchiveError(
                f"cannot read manifest {self.address_of(name)}{MANIFEST}: it speaks of archive {found.name} of "
                f"conversation {found.conversation_id}; somebody has moved it, choose another archive"
            )
        return found

    def put_workspace(self, name: str, stream: Compressed) -> None:
        """Uploads in parts. S3 shows nothing of it before the last one is confirmed; what failed is taken back."""
        from boto3.s3.transfer import TransferConfig

        config = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=PARALLEL_PARTS
        )
        config.max_in_memory_upload_chunks = PARALLEL_PARTS  # its default would hold 10 parts in memory
        key = self._key(name, WORKSPACE)
        self._connection.guard(
            f"upload s3://{self._settings.bucket}/{key}",
            "s3:PutObject",
            lambda: self._connection.client.upload_fileobj(stream, self._settings.bucket, key, Config=config),
        )
        there = self._call("look at", "s3:GetObject", "head_object", Key=key)["ContentLength"]
        if there != stream.size:
            raise ArchiveError(
                f"cannot save to s3://{self._settings.bucket}/{key}: {stream.size} bytes were sent and the server has "
                f"{there}; look at the server, and save again"
            )

    def put_manifest(self, found: Manifest) -> None:
        key = self._key(found.name, MANIFEST)
        self._call("write", "s3:PutObject", "put_object", Key=key, Body=found.text(), ContentType="application/json")

    def workspace(self, name: str) -> Iterator[bytes]:
        """The packed workspace, piece by piece. Raises Archived when it must be retrieved first."""
        body = self._get(name, WORKSPACE)["Body"]

        def pieces() -> Iterator[bytes]:
            while data := self._connection.guard(
                f"read {self.address_of(name)}{WORKSPACE}", "s3:GetObject", lambda: body.read(READ_BYTES)
            ):
                yield data

        return pieces()

    def head(self, name: str) -> dict[str, Any]:
        return self._call("look at", "s3:GetObject", "head_object", Key=self._key(name, WORKSPACE))

    def retrieve(self, name: str, tier: str, days: int) -> None:
        """Asks for a copy that can be read for some days. Answers at once; the copy comes later."""
        self._call(
            "retrieve",
            "s3:RestoreObject",
            "restore_object",
            Key=self._key(name, WORKSPACE),
            RestoreRequest={"Days": days, "GlacierJobParameters": {"Tier": tier.capitalize()}},
        )

    def _get(self, name: str, part: str) -> dict[str, Any]:
        try:
            return self._call("read", "s3:GetObject", "get_object", Key=self._key(name, part))
        except S3Error as error:
            if error.code == "InvalidObjectState" and part == WORKSPACE:
                raise Archived(str(error)) from error
            raise

    def _key(self, name: str, part: str) -> str:
        return manifest.key(self._settings.prefix, self._conversation_id, name, part)

    def _call(self, act: str, permission: str, method: str, **arguments: Any) -> dict[str, Any]:
        bucket = self._settings.bucket
        shown = f"s3://{bucket}/{arguments.get('Key', self.place)}"
        return self._connection.call(f"{act} {shown}", permission, method, Bucket=bucket, **arguments)


def shown(store: Store, found: Manifest) -> dict[str, Any]:
    return {"address": store.address_of(found.name), **asdict(found)}
