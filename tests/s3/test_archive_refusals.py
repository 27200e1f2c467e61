# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive is refused for, and what a damaged one leads to: never a change, always a sentence that says what."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from native_docker import Daemon

from . import module
from .double import Double

SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"  # noqa: S105  the one of Amazon's own documentation

Archive = Callable[..., dict[str, Any]]
Make = Callable[[Daemon], tuple[str, Path]]


@pytest.fixture
def talk(docker_daemon: Daemon, conversation: Make) -> tuple[str, Path]:
    identifier, root = conversation(docker_daemon)
    (root / "notes.txt").write_text("a few words")
    return identifier, root


@pytest.fixture
def archive(docker_daemon: Daemon, access: dict[str, str], bucket: str) -> Archive:
    def call(identifier: str, *, check: bool = False, **more: Any) -> dict[str, Any]:
        options = {**access, "bucket": bucket, "docker_host": docker_daemon.url, "conversation_id": identifier, **more}
        return module.run("workspace_archive", options, check=check)

    return call


def keys(s3: Any, bucket: str) -> list[str]:
    return sorted(entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", []))


def test_credentials_are_named_before_the_upload_and_never_shown(
    talk: tuple[str, Path], archive: Archive, s3: Any, bucket: str
) -> None:
    identifier, root = talk
    (root / ".aws").mkdir()
    (root / ".aws" / "credentials").write_text(f"[default]\naws_secret_access_key = {SECRET}\n")
    (root / "deploy").mkdir()
    (root / "deploy" / "server.pem").write_text(f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n")
    (root / ".env.example").write_text("API_KEY=your-key-goes-here\n")
    for check in (True, False):
        refused = archive(identifier, check=check)
        assert "'.aws/credentials' (AWS access keys), 'deploy/server.pem' (private key); remove them" in refused["msg"]
        assert SECRET not in json.dumps(refused)
    assert keys(s3, bucket) == []

    reported = archive(identifier, credentials_found="report")
    assert reported["changed"]
    assert "the archive holds credentials: '.aws/credentials'" in reported["warnings"][0]
    assert SECRET not in json.dumps(reported)


def test_check_mode_tells_and_writes_nothing(talk: tuple[str, Path], archive: Archive, s3: Any, bucket: str) -> None:
    identifier, _ = talk
    told = archive(identifier, check=True)
    assert (told["changed"], told["archive"]["entries"]) == (True, {"directory": 1, "file": 1})
    assert keys(s3, bucket) == []
    assert archive(identifier)["changed"]
    assert [key.rpartition("/")[2] for key in keys(s3, bucket)] == ["manifest.json", "workspace.tar.zst"]
    assert not archive(identifier, check=True)["changed"]


def test_devices_are_named_and_left_out(talk: tuple[str, Path], archive: Archive) -> None:
    identifier, root = talk
    os.mknod(root / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 0))
    saved = archive(identifier)
    assert saved["archive"]["left_out"] == [{"path": "disk", "kind": "device"}]
    assert "leaves out what it has no place for: 'disk' (device)" in saved["warnings"][0]


def test_a_link_out_of_the_workspace_is_kept_and_not_followed(
    talk: tuple[str, Path], archive: Archive, docker_daemon: Daemon, conversation: Make
) -> None:
    identifier, root = talk
    (root / "etc").symlink_to("/etc")
    (root / "passwd").symlink_to("/etc/passwd")
    assert archive(identifier)["archive"]["tree"]["entries"] == {"directory": 1, "file": 1, "symlink": 2}
    new, new_root = conversation(docker_daemon)
    assert archive(new, state="restored", from_conversation=identifier)["restored"]
    assert (new_root / "etc").readlink() == Path("/etc")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"bucket": "no-such-bucket"}, "the bucket does not exist; create it, or correct its name"),
        ({"secret_key": "wrong"}, "the secret key does not fit the access key"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "nothing answers at http://127.0.0.1:1"),
        ({"size_limit": "10"}, "its files have more than 10 bytes; remove some, or raise size_limit"),
        ({"size_limit": "10 gb"}, "'10 gb' is no size"),
        ({"prefix": "workspaces"}, "prefix 'workspaces' must be empty or end with a slash"),
        ({"compression_level": 20}, "compression_level must be 1 to 19"),
        ({"conversation_id": "../etc"}, "'../etc' is no conversation identifier"),
        ({"conversation_id": "nobody"}, "Docker has no volume ws-nobody-workspace; create the conversation"),
        ({"docker_host": "unix:///nonexistent.sock"}, "Docker at unix:///nonexistent.sock does not answer"),
        ({"state": "restored"}, "none there is whole; correct the conversation, prefix or bucket"),
    ],
)
def test_what_cannot_be_done_is_said(
    options: dict[str, Any], told: str, talk: tuple[str, Path], archive: Archive, s3: Any, bucket: str
) -> None:
    result = archive(**{"identifier": talk[0], **options})
    assert (result.get("failed"), told in result["msg"]) == (True, True), result["msg"]
    assert keys(s3, bucket) == []


def test_a_volume_of_somebody_else_is_not_touched(archive: Archive, docker_daemon: Daemon) -> None:
    with contextlib.closing(docker_daemon.client()) as docker:
        docker.volumes.create("ws-theirs-workspace")
    assert "it has no label io.bulkhead.workspace.conversation=theirs" in archive("theirs")["msg"]


def test_a_workspace_with_other_files_is_not_overwritten(
    talk: tuple[str, Path], archive: Archive, docker_daemon: Daemon, conversation: Make
) -> None:
    assert archive(talk[0])["changed"]
    new, new_root = conversation(docker_daemon)
    (new_root / "mine").write_text("precious")
    assert (
        "its workspace has other files; restore into a new"
        in archive(new, state="restored", from_conversation=talk[0])["msg"]
    )
    assert [path.name for path in new_root.iterdir()] == ["mine"]


def test_a_restore_that_was_interrupted_at_its_last_step_is_finished(
    talk: tuple[str, Path], archive: Archive, docker_daemon: Daemon, conversation: Make
) -> None:
    """Verified, and half of it moved up: too short a moment for a random interruption."""
    (talk[1] / "more.txt").write_text("and more")
    name = archive(talk[0])["archive"]["name"]
    new, new_root = conversation(docker_daemon)
    aside = new_root / f".bulkhead-restored.{name}"
    aside.mkdir(mode=0o700)
    (new_root / "notes.txt").write_text("a few words")
    (aside / "more.txt").write_text("and more")

    assert "a restore into it was interrupted; run that again" in archive(new)["msg"]
    restored = archive(new, state="restored", from_conversation=talk[0])
    assert (restored["changed"], restored["restored"]) == (True, True), restored
    assert sorted(path.name for path in new_root.iterdir()) == ["more.txt", "notes.txt"]


@pytest.mark.parametrize("damage", ["flipped", "cut off", "swapped", "no manifest"])
def test_a_damaged_archive_changes_nothing(
    damage: str,
    talk: tuple[str, Path],
    archive: Archive,
    s3: Any,
    bucket: str,
    docker_daemon: Daemon,
    conversation: Make,
) -> None:
    (talk[1] / "noise").write_bytes(os.urandom(200_000))
    first = archive(talk[0])["archive"]
    place = first["address"].removeprefix(f"s3://{bucket}/")
    packed = s3.get_object(Bucket=bucket, Key=f"{place}workspace.tar.zst")["Body"].read()
    if damage == "flipped":
        packed = packed[:1000] + bytes([packed[1000] ^ 1]) + packed[1001:]
    elif damage == "cut off":
        packed = packed[: len(packed) // 2]
    elif damage == "swapped":
        (talk[1] / "noise").write_bytes(os.urandom(200_000))
        other = archive(talk[0])["archive"]["address"].removeprefix(f"s3://{bucket}/")
        packed = s3.get_object(Bucket=bucket, Key=f"{other}workspace.tar.zst")["Body"].read()
    else:
        s3.delete_object(Bucket=bucket, Key=f"{place}manifest.json")
    s3.put_object(Bucket=bucket, Key=f"{place}workspace.tar.zst", Body=packed)

    new, new_root = conversation(docker_daemon)
    name = "" if damage == "no manifest" else first["name"]
    refused = archive(new, state="restored", from_conversation=talk[0], archive=name)
    assert refused["failed"]
    words = {"swapped": "its checksum is", "no manifest": "none there is whole"}
    assert any(word in refused["msg"] for word in (words.get(damage, "damaged"), "damaged")), refused["msg"]
    assert list(new_root.iterdir()) == []


def test_from_glacier_it_says_how_long_that_takes(
    talk: tuple[str, Path], docker_daemon: Daemon, conversation: Make, double: Double
) -> None:
    """Ceph's gateway reads its class GLACIER at once, so this needs a server that refuses to."""
    s3 = double.client()
    s3.create_bucket(Bucket="cold")
    options = {**double.access, "bucket": "cold", "docker_host": docker_daemon.url}
    assert module.run("workspace_archive", {**options, "conversation_id": talk[0]})["changed"]
    key = next(entry["Key"] for entry in s3.list_objects_v2(Bucket="cold")["Contents"] if entry["Key"].endswith("zst"))
    s3.copy_object(Bucket="cold", Key=key, CopySource={"Bucket": "cold", "Key": key}, StorageClass="DEEP_ARCHIVE")
    new, new_root = conversation(docker_daemon)
    restoring = {**options, "conversation_id": new, "from_conversation": talk[0], "state": "restored"}

    refused = module.run("workspace_archive", restoring)
    assert (
        "in storage class DEEP_ARCHIVE, and a retrieval takes: standard up to 12 hours, bulk up to 48 hours"
        in (refused["msg"])
    )
    impossible = module.run("workspace_archive", {**restoring, "retrieval": "expedited"})
    assert "there is no expedited retrieval from DEEP_ARCHIVE; choose from standard" in impossible["msg"]
    asked = module.run("workspace_archive", {**restoring, "retrieval": "bulk"})
    assert (asked["changed"], asked["restored"]) == (True, False)
    assert asked["waiting"].endswith("was requested and takes up to 48 hours; run the task again then")
    # This server takes two seconds for what Amazon takes days for.
    while not (again := module.run("workspace_archive", {**restoring, "retrieval": "bulk"}))["restored"]:
        assert (again["changed"], "is under way" in again["waiting"]) == (False, True)
        assert list(new_root.iterdir()) == []
    assert (new_root / "notes.txt").read_text() == "a few words"
