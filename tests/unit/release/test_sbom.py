# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bill of materials of a small collection: every file is in it; a file that is not what it claims is refused."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
INFO = {"namespace": "bulkhead", "name": "workspace", "version": "9.8.7", "description": "A small one"}


def tarball(folder: Path, content: bytes, claimed: bytes) -> Path:
    """A collection of one file, whose list of files was made from `claimed`."""
    entry = {"name": "README.md", "ftype": "file", "chksum_sha256": hashlib.sha256(claimed).hexdigest()}
    files = {
        "MANIFEST.json": json.dumps({"collection_info": INFO}).encode(),
        "FILES.json": json.dumps({"files": [{"name": ".", "ftype": "dir"}, entry]}).encode(),
        "README.md": content,
    }
    path = folder / "collection.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def sbom(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "release" / "sbom.py"), str(path)], capture_output=True, text=True
    )


def test_every_file_and_what_it_runs_with(tmp_path: Path) -> None:
    done = sbom(tarball(tmp_path, b"hello", b"hello"))
    assert done.returncode == 0, done.stderr
    bill = json.loads(done.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["purl"] == "pkg:generic/bulkhead/workspace@9.8.7"
    parts = {part["name"]: part for part in bill["components"]}
    assert set(parts) == {"MANIFEST.json", "FILES.json", "README.md", "ansible-core", "docker", "boto3"}
    assert parts["README.md"]["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"hello").hexdigest()}]


def test_a_file_that_is_not_what_the_list_claims_is_named(tmp_path: Path) -> None:
    done = sbom(tarball(tmp_path, b"other", b"hello"))
    assert done.returncode == 1
    assert done.stderr == "cannot vouch for the tarball: README.md differ from FILES.json; build it again\n"


def test_no_tarball_is_no_traceback(tmp_path: Path) -> None:
    done = sbom(tmp_path / "none.tar.gz")
    assert done.returncode == 1
    assert "No such file" in done.stderr and "Traceback" not in done.stderr
