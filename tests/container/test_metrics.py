# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of the role workspace_metrics as its timer collects them; a real Prometheus with our rules and panels."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import proxy_stand
import pytest
import yaml
from ansible_collections.bulkhead.workspace.plugins.module_utils import workspaces
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import metrics
from monitoring import monitoring

pytestmark = pytest.mark.usefixtures("clean")
ROOT = Path(__file__).resolve().parents[2]
OBSERVABILITY = ROOT / "deployment" / "observability"
SOURCE = ROOT / "plugins" / "module_utils"
PACKAGE = "ansible_collections.bulkhead.workspace.plugins.module_utils"
IMAGE = "bulkhead/workspace:demo"
Options = dict[str, Any]
Collect = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def collect(tmp_path: Path, options: Options) -> Collect:
    """Runs the program from exactly the files that the role puts on a host; writes `bulkhead.prom`."""
    library = tmp_path / "library"
    target = library / PACKAGE.replace(".", "/")
    shutil.copytree(
        SOURCE / "_workspace", target / "_workspace", ignore=shutil.ignore_patterns("arguments.py", "__*__")
    )
    shutil.copy(SOURCE / "_mountinfo.py", target)
    program = [sys.executable, "-s", "-m", f"{PACKAGE}._workspace.exporter", str(tmp_path / "bulkhead.prom")]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, "--docker-host", options["docker_host"], *more],
            env={**os.environ, "PYTHONPATH": str(library), "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[proxy_stand.Proxy]:
    """A proxy that has served one request and refused another."""
    certificates = proxy_stand.Certificates(tmp_path)
    recorder = proxy_stand.Recorder(certificates)
    made = proxy_stand.Proxy(certificates, recorder.port)
    try:
        made.start()
        body = b'{"model":"m","max_tokens":1,"messages":[]}'
        head = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
        assert made.exchange(head % len(body) + body).startswith(b"HTTP/1.1 200 ")
        assert made.exchange(b"GET /v1/files HTTP/1.1\r\nhost: localhost\r\n\r\n").startswith(b"HTTP/1.1 403 ")
        yield made
    finally:
        made.clean_up()
        recorder.close()


def samples(file: Path) -> dict[str, str]:
    """Value by name and labels."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


def documented_sample() -> list[dict[str, Any]]:
    """What workspace_container_info documents that it returns: a host with cgroup v2 and quotas, unlike this one."""
    module = (ROOT / "plugins" / "modules" / "workspace_container_info.py").read_text()
    documentation = yaml.safe_load(module.split('RETURN = r"""')[1].split('"""')[0])
    found: list[dict[str, Any]] = documentation["conversations"]["sample"]
    return found


def test_the_figures_are_docker_s_and_the_proxy_s(
    tmp_path: Path, collect: Collect, proxy: proxy_stand.Proxy, options: Options, client: docker.DockerClient
) -> None:
    workspaces.create("metric", IMAGE, **options)
    done = collect("--proxy-socket", proxy.settings["metrics_socket"])
    assert (done.returncode, done.stderr) == (0, "")
    told = samples(tmp_path / "bulkhead.prom")
    limit = client.api.inspect_container("ws-metric")["HostConfig"]["Memory"]
    assert int(told['bulkhead_memory_limit_bytes{conversation="metric"}']) == limit
    assert told['bulkhead_conversations{state="running"}'] == "1"
    assert told['bulkhead_layer_enforced{conversation="metric",layer="L4"}'] == "1"
    assert (told["bulkhead_up"], told["bulkhead_proxy_up"]) == ("1", "1")
    assert told['credential_proxy_refusals_total{rule="path"}'] == "1"
    assert told['credential_proxy_refusals_total{rule="secret-echo"}'] == "0"
    assert told['bulkhead_limit_events{conversation="metric",type="oom"}'] == "0"
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=(tmp_path / "bulkhead.prom").read_text(), capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert (tmp_path / "bulkhead.prom").stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_asked_is_told_as_a_figure(tmp_path: Path, collect: Collect) -> None:
    done = collect("--docker-host", f"unix://{tmp_path}/none.sock", "--proxy-socket", str(tmp_path / "none.sock"))
    assert done.returncode == 1
    assert "none.sock" in done.stderr and "Traceback" not in done.stderr
    told = samples(tmp_path / "bulkhead.prom")
    assert (told["bulkhead_up"], told["bulkhead_proxy_up"]) == ("0", "0")
    without = collect("--proxy-socket", "")
    assert without.returncode == 0
    assert "bulkhead_proxy_up" not in samples(tmp_path / "bulkhead.prom")


def test_a_directory_that_is_not_there_is_named(tmp_path: Path, collect: Collect) -> None:
    shutil.rmtree(tmp_path / "gone", ignore_errors=True)
    done = collect("--proxy-socket", "")
    assert done.returncode == 0
    program = [*done.args[:4], str(tmp_path / "gone" / "bulkhead.prom"), *done.args[5:]]
    refused = subprocess.run(
        program, env={**os.environ, "PYTHONPATH": str(tmp_path / "library")}, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert (
        f"cannot write {tmp_path}/gone/bulkhead.prom: No such file or directory; make the directory" in refused.stderr
    )


def test_prometheus_answers_every_panel_and_raises_an_alert(
    tmp_path: Path, collect: Collect, proxy: proxy_stand.Proxy, options: Options
) -> None:
    workspaces.create("panel", IMAGE, **options)
    socket = ("--proxy-socket", proxy.settings["metrics_socket"])
    assert collect(*socket).returncode == 0
    (tmp_path / "sample.prom").write_text(metrics.render(documented_sample(), []))
    dashboard = json.loads((OBSERVABILITY / "grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) == len(dashboard["panels"]) > 0
    with monitoring(tmp_path, tmp_path, OBSERVABILITY / "alerts.yml") as prometheus:
        for expression in expressions:
            assert prometheus.await_result(expression.replace("$instance", ".*")), expression
        # The documented sample is a sound host: nothing is amiss until Docker is gone.
        assert prometheus.ask('ALERTS{alertname="WorkspaceDockerSilent"}') == []
        collect(*socket, "--docker-host", f"unix://{tmp_path}/none.sock")
        assert prometheus.await_result('ALERTS{alertname="WorkspaceDockerSilent"}')


def test_every_alert_fires_for_its_case_and_for_no_other() -> None:
    """The cases lie beside this file; Prometheus' own tool plays them on a clock of its own."""
    cases = ROOT / "tests" / "container" / "alerts_test.yml"
    played = subprocess.run(["promtool", "test", "rules", str(cases)], capture_output=True, text=True)
    assert played.returncode == 0, played.stdout + played.stderr
    rules = yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"][0]["rules"]
    tested = {
        entry["alertname"] for test in yaml.safe_load(cases.read_text())["tests"] for entry in test["alert_rule_test"]
    }
    assert tested == {rule["alert"] for rule in rules}
