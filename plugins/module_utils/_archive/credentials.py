# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that programs keep credentials in, by name and by what the beginning looks like. Pure.

Note that this module util is PRIVATE to the collection.

A workspace should have none, since credentials stay outside the container. What is found is named, never shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# A credential file of a program is small; of a larger one the beginning is looked at.
LOOK_AT = 65536

_PRIVATE_KEY = rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"
_ASSIGNED = (
    rb"(?im)^\s*(?:export\s+)?[A-Z0-9_]*(?:API_?KEY|SECRET|TOKEN|PASSWORD|PASSWD)[A-Z0-9_]*\s*[=:]\s*"
    rb"['\"]?[^\s'\"$]{8,}"
)


@dataclass(frozen=True)
class _Kind:
    """A path that ends so, with content that looks so, is a credential of this program."""

    what: str
    path: re.Pattern[str]
    looks: re.Pattern[bytes]


def _kind(what: str, path: str, looks: bytes = rb"\S") -> _Kind:
    return _Kind(what, re.compile(rf"(?:.*/)?(?:{path})", re.DOTALL), re.compile(looks))


_KINDS = (
    _kind("AWS access keys", r"\.aws/credentials|\.boto|\.s3cfg", rb"(?i)secret_?(?:access_)?key"),
    _kind("AWS session of a single sign-on", r"\.aws/(?:sso|cli)/cache/[^/]+\.json"),
    _kind("Claude Code credentials", r"\.claude/\.credentials\.json|\.claude\.json", rb"(?i)token|api_?key"),
    _kind("private SSH key", r"\.ssh/(?!.*\.pub$|known_hosts|config$|authorized_keys)[^/]+", _PRIVATE_KEY),
    _kind("private key", r"[^/]+\.(?:pem|key|p8|ppk)", _PRIVATE_KEY + rb"|PuTTY-User-Key-File"),
    _kind("passwords of git", r"\.git-credentials", rb"://[^/\s]+@"),
    _kind("password in the address of a git remote", r"\.git/config", rb"://[^/\s:@]+:[^/\s@]+@"),
    _kind("GitHub token", r"\.config/gh/hosts\.yml", rb"oauth_token"),
    _kind("npm token", r"\.npmrc", rb"_(?:authToken|auth|password)\s*="),
    _kind("PyPI password", r"\.pypirc", rb"(?i)password\s*[=:]"),
    _kind("password for pip", r"pip\.conf|\.config/pip/pip\.conf", rb"://[^/\s:@]+:[^/\s@]+@"),
    _kind("Docker registry password", r"\.docker/config\.json|\.dockercfg", rb'"(?:auth|identitytoken)"\s*:\s*"[^"]'),
    _kind("Kubernetes credentials", r"\.kube/config|kubeconfig", rb"client-key-data|token:|password:"),
    _kind("Google Cloud credentials", r"application_default_credentials\.json|.*service[-_]account.*\.json",
          rb'"(?:private_key|refresh_token)"'),
    _kind("Azure tokens", r"\.azure/(?:accessTokens|msal_token_cache)\.json"),
    _kind("passwords for hosts", r"[._]netrc", rb"(?i)password\s"),
    _kind("PostgreSQL password", r"\.pgpass"),
    _kind("MySQL password", r"\.my\.cnf", rb"(?im)^\s*password\s*="),
    _kind("Vault token", r"\.vault-token"),
    _kind("Cargo token", r"\.cargo/credentials(?:\.toml)?", rb"token"),
    _kind("RubyGems key", r"\.gem/credentials", rb"api_key"),
    _kind("rclone configuration with passwords", r"rclone\.conf", rb"(?i)secret_access_key|pass|token"),
    _kind("GnuPG private key", r"private-keys-v1\.d/[^/]+\.key"),
    _kind("environment file with a secret", r"\.env(?:\.(?!example|sample|template)[^/]+)?", _ASSIGNED),
)  # fmt: skip


def suspected(path: str) -> bool:
    """Whether the name alone is a reason to look into the file."""
    return any(kind.path.fullmatch(path) for kind in _KINDS)


def recognised(path: str, beginning: bytes) -> str | None:
    """What kind of credential the file holds, or None. `beginning` are its first LOOK_AT bytes."""
    return next((kind.what for kind in _KINDS if kind.path.fullmatch(path) and kind.looks.search(beginning)), None)
