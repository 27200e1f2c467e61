# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible collections that we are measured against, in an environment of their own.

The PyPI package ``ansible`` carries them, so no Galaxy server is needed. ansible-core is the same release as ours: what
differs between two contenders must be the modules.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "peers-requirements.txt"


def environment() -> Path:
    """The peers' virtual environment, made on first use (about a minute) and keyed by its requirements."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    home = HERE.parent / "build" / "bench" / f"peers-{digest}"
    stamp = home / ".made"
    if not stamp.exists():
        print("set-up: installing the peers' collections (about a minute)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        pip = [str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", str(REQUIREMENTS)], check=True)
        stamp.touch()
    return home


def collections() -> Path:
    """What ANSIBLE_COLLECTIONS_PATH must name for the peers' modules to be found, by our own ansible-core too."""
    return next(environment().glob("lib/python*/site-packages"))


def version(collection: str) -> str:
    """The version of one collection, such as ``community.docker``, as its manifest says."""
    namespace, name = collection.split(".")
    manifest = collections() / "ansible_collections" / namespace / name / "MANIFEST.json"
    return str(json.loads(manifest.read_text())["collection_info"]["version"])
