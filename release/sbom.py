#!/usr/bin/env python3
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bill of materials of a built collection, in CycloneDX 1.6: every file with its checksum, and what it runs with.

    release/sbom.py bulkhead-workspace-3.0.0.tar.gz > sbom.cdx.json

The checksums are computed from the content of the tarball, and compared with those that its own FILES.json claims.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

# Found on the controller or on the hosts, never inside the tarball. The second word says what needs it.
RUNS_WITH = (
    ("pypi", "ansible-core", "the controller; see requires_ansible", ComponentScope.REQUIRED),
    ("pypi", "docker", "modules that talk to Docker, on the hosts", ComponentScope.REQUIRED),
    ("pypi", "boto3", "the retention and the archives, where they are used", ComponentScope.OPTIONAL),
)


class SbomError(Exception):
    """Told to the user in one sentence."""


def files_of(tarball: Path) -> dict[str, bytes]:
    """The content of every file, by path."""
    with tarfile.open(tarball) as archive:
        members = [member for member in archive if member.isfile()]
        return {member.name: stream.read() for member in members if (stream := archive.extractfile(member))}


def checked(files: dict[str, bytes]) -> dict[str, str]:
    """SHA-256 by path; raises where the tarball's own list says another one."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    claimed = {
        entry["name"]: entry["chksum_sha256"]
        for entry in json.loads(files["FILES.json"])["files"]
        if entry["ftype"] == "file"
    }
    wrong = sorted(name for name, value in claimed.items() if sums.get(name) != value)
    if wrong:
        raise SbomError(f"cannot vouch for the tarball: {', '.join(wrong)} differ from FILES.json; build it again")
    return sums


def bill(files: dict[str, bytes]) -> Bom:
    """The bill of a collection's files."""
    manifest: dict[str, Any] = json.loads(files["MANIFEST.json"])["collection_info"]
    name, version = f"{manifest['namespace']}.{manifest['name']}", manifest["version"]
    itself = Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=name,
        purl=PackageURL("generic", manifest["namespace"], manifest["name"], version),
        licenses=[LicenseExpression("GPL-3.0-or-later")],
        description=manifest["description"],
    )
    parts = [
        Component(
            name=path,
            type=ComponentType.FILE,
            bom_ref=f"file:{path}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=value)],
        )
        for path, value in sorted(checked(files).items())
    ]
    needs = [
        Component(
            name=package,
            type=ComponentType.LIBRARY,
            bom_ref=f"runs-with:{package}",
            purl=PackageURL(kind, None, package),
            scope=scope,
            properties=[Property(name="bulkhead:needed-by", value=needed_by)],
        )
        for kind, package, needed_by, scope in RUNS_WITH
    ]
    made = Bom(components=[*parts, *needs])
    made.metadata.component = itself
    made.register_dependency(itself, [*parts, *needs])
    return made


def written(made: Bom) -> str:
    """As JSON that the schema accepts."""
    text = JsonV1Dot6(made).output_as_string(indent=2)
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error:
        raise SbomError(f"cannot write the bill: {error}; mend release/sbom.py")
    return text


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: release/sbom.py TARBALL > sbom.cdx.json")
    try:
        print(written(bill(files_of(Path(sys.argv[1])))))
    except (OSError, SbomError, tarfile.TarError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
