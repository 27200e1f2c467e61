# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the files of deployment/ from the roles' defaults, for people who work without Ansible.

`python3 deployment/generate.py` writes them, `--check` only compares and exits 1 when one differs. To add a file, write
a function that returns its text and name it in ARTEFACTS.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined, meta
from jinja2.nativetypes import NativeEnvironment

ROOT = Path(__file__).resolve().parent.parent


def role_variable(role: str, name: str, **given: Any) -> Any:
    """One of the role's defaults or vars, with its references to others resolved.

    Plain Jinja, with bool as Ansible's only filter.

    ``given`` stands for what an inventory says, or tasks have found out on a host.
    """
    sources = [
        *sorted((ROOT / "roles" / role / "defaults").rglob("*.yml")),
        *sorted((ROOT / "roles" / role / "vars").rglob("*.yml")),
    ]
    raw: dict[str, Any] = {}
    for source in sources:
        raw |= yaml.safe_load(source.read_text(encoding="utf-8")) or {}
    raw |= given
    environment = NativeEnvironment()
    # As Ansible's own, without Ansible: a text counts by its word, not because it is there.
    environment.filters["bool"] = lambda value: str(value).lower() in ("yes", "on", "true", "1")

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: resolve(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [resolve(entry) for entry in value]
        if isinstance(value, str) and "{{" in value:
            names = meta.find_undeclared_variables(environment.parse(value))
            return environment.from_string(value).render({name: resolve(raw[name]) for name in names if name in raw})
        return value

    return resolve(raw[name])


def role_template(role: str, name: str) -> str:
    """One of the role's templates, as Ansible would write it on a host."""
    environment = Environment(  # noqa: S701  text, not HTML
        trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    environment.filters["comment"] = lambda text: f"#\n# {text}\n#"
    source = (ROOT / "roles" / role / "templates" / name).read_text(encoding="utf-8")
    names = meta.find_undeclared_variables(environment.parse(source)) - {"ansible_managed"}
    values = {variable: role_variable(role, variable) for variable in names}
    return environment.from_string(source).render(values, ansible_managed="Ansible managed")


def collection_util(folder: str, name: str) -> ModuleType:
    """A pure module of the collection, imported from this checkout without Ansible's import machinery."""
    path = str(ROOT / "plugins" / folder)
    if path not in sys.path:
        sys.path.insert(0, path)
    return importlib.import_module(name)


def seccomp_profile(level: str = "standard") -> str:
    seccomp = collection_util("plugin_utils", "_seccomp")
    policy = {**role_variable("seccomp", "__seccomp_policy"), "level": level}
    return str(seccomp.profile_text(seccomp.render_profile(policy)))


def apparmor_profile(version: int) -> str:
    """For hosts with AppArmor of this major version: from 4 on it knows more words."""
    apparmor = collection_util("plugin_utils", "_apparmor")
    policy = role_variable("apparmor", "__apparmor_policy", __apparmor_abi=f"abi/{version}.0")
    return str(apparmor.render_profile(policy))


def s3_lifecycle_policy() -> str:
    """What PutBucketLifecycleConfiguration takes, so that the aws command line can apply it."""
    retention = collection_util("module_utils", "_s3_lifecycle.retention")
    rules = collection_util("module_utils", "_s3_lifecycle.rules")
    policy = role_variable("s3_lifecycle", "__s3_lifecycle_policy")
    wanted = [rules.to_api(rules.from_options(options)) for options in retention.retention_rules(**policy)]
    return json.dumps({"Rules": wanted}, indent=2) + "\n"


def docker_daemon_settings(*, dedicated: bool) -> str:
    wanted = role_variable("docker_userns", "__docker_userns_wanted", docker_userns_dedicated_host=dedicated)
    return json.dumps(wanted, indent=2) + "\n"


def docker_subordinate_ids() -> str:
    fields = ("docker_userns_user", "docker_userns_subid_start", "docker_userns_subid_count")
    return ":".join(str(role_variable("docker_userns", field)) for field in fields) + "\n"


def data_root_mount() -> str:
    units = collection_util("module_utils", "_data_root.units")
    root, file = (role_variable("xfs_quota", f"xfs_quota_{name}") for name in ("data_root", "loop_file"))
    return str(units.mount_text(root, file, loop=True))


def data_root_drop_in() -> str:
    units = collection_util("module_utils", "_data_root.units")
    root = role_variable("xfs_quota", "xfs_quota_data_root")
    return str(units.drop_in_text(root, root))


def credential_proxy_config() -> str:
    return json.dumps(role_variable("credential_proxy", "__credential_proxy_config"), indent=4) + "\n"


ARTEFACTS: dict[str, Callable[[], str]] = {
    "deployment/seccomp/workspace-seccomp.json": seccomp_profile,
    "deployment/seccomp/workspace-seccomp-strict.json": functools.partial(seccomp_profile, "strict"),
    "deployment/apparmor/workspace-container": functools.partial(apparmor_profile, 3),
    "deployment/apparmor/workspace-container-abi4": functools.partial(apparmor_profile, 4),
    "deployment/credential_proxy/config.json": credential_proxy_config,
    "deployment/credential_proxy/credential_proxy.service": functools.partial(
        role_template, "credential_proxy", "credential_proxy.service.j2"
    ),
    "deployment/credential_proxy/logrotate.conf": functools.partial(role_template, "credential_proxy", "logrotate.j2"),
    "deployment/docker/daemon.json": functools.partial(docker_daemon_settings, dedicated=False),
    "deployment/docker/daemon-dedicated.json": functools.partial(docker_daemon_settings, dedicated=True),
    "deployment/docker/subuid": docker_subordinate_ids,
    "deployment/docker/subgid": docker_subordinate_ids,
    "deployment/s3/lifecycle-policy.json": s3_lifecycle_policy,
    "deployment/storage/bulkhead-data-root.conf": data_root_drop_in,
    "deployment/storage/var-lib-docker.mount": data_root_mount,
}


def differences() -> list[str]:
    """A unified diff for each file that is not what the roles say."""
    found = []
    for path, text in ((path, render()) for path, render in ARTEFACTS.items()):
        target = ROOT / path
        present = target.read_text(encoding="utf-8") if target.exists() else ""
        if present != text:
            lines = functools.partial(str.splitlines, keepends=True)
            found.append("".join(difflib.unified_diff(lines(present), lines(text), path, f"{path} (from the roles)")))
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="generate", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when a file differs")
    options = parser.parse_args(arguments)
    found = differences()
    if options.check:
        for difference in found:
            print(difference, end="")
        if found:
            print("cannot accept deployment/: it differs from the roles; run `make generate`", file=sys.stderr)
        return 1 if found else 0
    for path, render in ARTEFACTS.items():
        target = ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(render(), encoding="utf-8")
    print(f"deployment/: {len(ARTEFACTS)} files, {len(found)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
