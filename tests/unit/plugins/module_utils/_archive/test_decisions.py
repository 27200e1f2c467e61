# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners, credentials, manifests and retrievals, without a server; and zstd between two ends that can fail."""

from __future__ import annotations

import hashlib
import io
from typing import Any, BinaryIO

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._archive import credentials, ids, manifest, retrieval
from ansible_collections.bulkhead.workspace.plugins.module_utils._archive.errors import ArchiveError
from ansible_collections.bulkhead.workspace.plugins.module_utils._archive.ids import Ids
from ansible_collections.bulkhead.workspace.plugins.module_utils._archive.pipe import Compressed, Decompressed

MAPPED = Ids(100_000, 200_000)


def test_owners_are_the_containers_own() -> None:
    assert MAPPED.inside(101_000, 200_050) == (1000, 50)
    assert MAPPED.outside(1000, 50) == (101_000, 200_050)
    assert MAPPED.inside(0, 165_536 + 200_000) == (ids.OVERFLOW, ids.OVERFLOW)
    assert Ids().inside(0, 1000) == Ids().outside(0, 1000) == (0, 1000)
    with pytest.raises(ArchiveError, match="the archive has id 70000, and a container here has 0 to 65535"):
        MAPPED.outside(70_000, 0)


def test_the_daemon_says_how_it_maps() -> None:
    mapped = {"SecurityOptions": ["name=seccomp", "name=userns"], "DockerRootDir": "/var/lib/docker/100000.200000"}
    assert ids.of_daemon(mapped) == MAPPED
    assert ids.of_daemon({"SecurityOptions": None, "DockerRootDir": "/data/1.2"}) == Ids()
    with pytest.raises(ArchiveError, match=r"does not end with UID\.GID"):
        ids.of_daemon({**mapped, "DockerRootDir": "/var/lib/docker"})


KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".aws/credentials", b"[default]\naws_secret_access_key = x"),
        ("home/.aws/credentials", b"aws_secret_access_key=x"),
        (".ssh/id_ed25519", KEY),
        (".ssh/deploy", KEY),
        ("certs/server.key", b"-----BEGIN PRIVATE KEY-----"),
        (".npmrc", b"//registry/:_authToken=npm_x"),
        (".netrc", b"machine a login b password c"),
        ("app/.env", b"export ANTHROPIC_API_KEY='sk-ant-0123456789'"),
        ("app/.env.production", b"DB_PASSWORD=correct-horse"),
        (".git-credentials", b"https://user:token@host"),
        ("repo/.git/config", b"url = https://user:token@host/repo"),
        (".docker/config.json", b'{"auths": {"r": {"auth": "eDp5"}}}'),
        ("gcp/my-service-account.json", b'{"private_key": "x"}'),
        (".claude/.credentials.json", b'{"accessToken": "x"}'),
    ],
)
def test_credential_files_are_known(path: str, text: bytes) -> None:
    assert credentials.suspected(path)
    assert credentials.recognised(path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".ssh/id_ed25519.pub", b"ssh-ed25519 AAAA"),
        (".ssh/known_hosts", b"host ssh-ed25519 AAAA"),
        ("certs/ca.pem", b"-----BEGIN CERTIFICATE-----"),
        (".npmrc", b"save-exact=true"),
        ("app/.env", b"DEBUG=true\nPORT=8080"),
        ("app/.env", b"API_KEY=${API_KEY}"),
        ("app/.env.example", b"API_KEY=put-your-key-here"),
        ("src/environment.py", b"API_KEY = 'x'"),
        ("repo/.git/config", b"url = https://host/repo"),
        (".aws/credentials", b""),
    ],
)
def test_their_neighbours_are_not_suspected(path: str, text: bytes) -> None:
    assert not credentials.recognised(path, text)


NAME = "20261122T101500Z-0123abcd"
FACTS: dict[str, Any] = {
    "conversation_id": "talk",
    "name": NAME,
    "created": "2026-11-22T10:15:00Z",
    "size": 5,
    "sha256": "0",
    "tree": {"sha256": "1", "bytes": 0, "entries": {}},
    "left_out": [],
    "credentials": [],
}


def test_a_manifest_is_read_as_it_was_written() -> None:
    written = manifest.Manifest(**FACTS)
    assert manifest.parse(written.text(), "s3://b/m") == written


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "cannot read manifest s3://b/m"),
        (b"[]", "choose another archive"),
        (b'{"format": "bulkhead.workspace archive 1"}', "choose another archive"),
        (
            manifest.Manifest(**FACTS).text().replace(b"archive 1", b"archive 9"),
            "is of format 'bulkhead.workspace archive 9'",
        ),
        (manifest.Manifest(**{**FACTS, "tree": {}}).text(), "choose another archive"),
    ],
)
def test_a_damaged_manifest_is_said(text: bytes, told: str) -> None:
    with pytest.raises(ArchiveError, match=told):
        manifest.parse(text, "s3://b/m")


def test_only_what_has_both_objects_is_an_archive() -> None:
    keys = {
        f"w/talk/{NAME}/{manifest.WORKSPACE}": 1,
        f"w/talk/{NAME}/{manifest.MANIFEST}": 1,
        f"w/talk/20261121T101500Z-0123abcd/{manifest.MANIFEST}": 1,
        f"w/talk/20261123T101500Z-0123abcd/{manifest.WORKSPACE}": 1,
        f"w/talk/notes/{manifest.WORKSPACE}": 1,
        f"w/talk/notes/{manifest.MANIFEST}": 1,
    }
    assert manifest.complete(keys, "w/talk/") == [NAME]


def test_retrievals() -> None:
    assert retrieval.under_way({"Restore": 'ongoing-request="true"'})
    assert not retrieval.under_way({"Restore": 'ongoing-request="false", expiry-date="x"'})
    assert retrieval.problem("GLACIER", "expedited") == ""
    assert "choose from standard up to 12 hours" in retrieval.problem("DEEP_ARCHIVE", "expedited")
    assert "does not know as an archive" in retrieval.problem("TAPE", "bulk")


DATA = b"some text that can be compressed\n" * 100_000


def test_zstd_there_and_back() -> None:
    with Compressed(lambda sink: sink.write(DATA), 3) as stream:
        packed = b"".join(iter(lambda: stream.read(1000), b""))
    assert (stream.size, stream.sha256) == (len(packed), hashlib.sha256(packed).hexdigest())
    assert stream.result == len(DATA)
    with Decompressed([packed[:10], packed[10:]]) as back:
        assert b"".join(iter(lambda: back.read(1 << 20), b"")) == DATA
    assert back.sha256 == stream.sha256


def test_a_writer_that_fails_is_no_end_of_the_stream() -> None:
    def write(sink: BinaryIO) -> None:
        sink.write(DATA)
        raise ArchiveError("the disk is broken")

    with pytest.raises(ArchiveError, match="the disk is broken"), Compressed(write, 3) as stream:
        while stream.read(1 << 20):
            pass


def test_a_reader_that_fails_ends_the_writer() -> None:
    with pytest.raises(ZeroDivisionError), Compressed(lambda sink: sink.write(DATA * 100), 3):
        raise ZeroDivisionError


def test_a_damaged_stream_is_an_error() -> None:
    with pytest.raises(ArchiveError, match="cannot run zstd"), Decompressed([b"no zstd at all"]) as stream:
        stream.read(10)


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ArchiveError, match="install the Debian package zstd"):
        Compressed(lambda sink: io.BytesIO(sink.read()), 3)
