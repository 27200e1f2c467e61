# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of the calls, what is read back, and what failures say; those come from real sockets and real boto3."""

from __future__ import annotations

import http.server
import itertools
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3.connection import Access
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3.errors import S3Error
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.apply import (
    Outcome,
    apply,
    checked_rules,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.bucket import Bucket
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.plan import Present, make_plan
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.rules import from_options, to_api

END = from_options({"id": "end", "prefix": "w/", "expiration_days": 9})
BIG = from_options({"id": "big", "object_size_greater_than": 5, "expiration_days": 9})


class Memory:
    """A bucket in memory, which can be slow to show what was written, or drop filters on size."""

    is_ceph = False

    def __init__(self, stale_reads: int = 0, drops_size: bool = False) -> None:
        self.rules: list[Any] = []
        self.shown: list[Any] = []
        self.versioning: str | None = None
        self.calls: list[str] = []
        self.stale_reads = stale_reads
        self.drops_size = drops_size

    def present(self) -> Present:
        if self.stale_reads and self.calls:
            self.stale_reads -= 1
        else:
            self.shown = self.rules
        return Present(self.shown, self.versioning, None)

    def enable_versioning(self) -> None:
        self.calls.append("versioning")
        self.versioning = "Enabled"

    def write_rules(self, rules: Sequence[Mapping[str, Any]], minimum_size: str | None) -> None:
        self.calls.append(f"write {len(rules)}{minimum_size or ''}")
        kept = [dict(rule) for rule in rules]
        for rule in kept:
            if self.drops_size:
                rule["Filter"] = {key: value for key, value in rule["Filter"].items() if key != "ObjectSizeGreaterThan"}
        self.rules = kept


def run(store: Memory, *rules: Any, check_mode: bool = False) -> Outcome:
    ticks = itertools.count()
    return apply(
        store,
        lambda present: make_plan(present, rules),
        bucket="b",
        check_mode=check_mode,
        wait_timeout=10,
        clock=lambda: float(next(ticks)),
        sleep=lambda _seconds: None,
    )


def test_versioning_comes_before_the_rules_and_the_second_run_changes_nothing() -> None:
    store = Memory()
    assert run(store, END).plan.changed
    assert store.calls == ["versioning", "write 1"]
    assert not run(store, END).plan.changed
    assert store.calls == ["versioning", "write 1"]


def test_check_mode_writes_nothing_and_tells_the_same() -> None:
    store = Memory()
    planned = run(store, END, check_mode=True)
    assert store.calls == []
    assert planned.plan.diff() == run(store, END).plan.diff()


def test_a_slow_server_is_waited_for() -> None:
    store = Memory(stale_reads=4)
    run(store, END)
    assert store.calls == ["versioning", "write 1"]


def test_a_server_that_stays_stale_is_told_apart() -> None:
    with pytest.raises(S3Error, match="shows the former one after 10 s, without end: the whole rule"):
        run(Memory(stale_reads=99), END)


def test_a_dropped_field_is_named_and_the_former_rules_come_back() -> None:
    store = Memory(drops_size=True)
    store.versioning, store.rules = "Enabled", [to_api(END)]
    with pytest.raises(S3Error, match=r"did not keep big: Filter\.ObjectSizeGreaterThan; the former"):
        run(store, END, BIG)
    assert store.rules == [to_api(END)]


def test_problems_are_told_together_before_anything_is_sent() -> None:
    with pytest.raises(S3Error) as caught:
        checked_rules([{"id": "a"}, {"id": "b", "expiration_days": 0}], "my-bucket")
    assert "of bucket my-bucket: rule 'a': it does nothing" in str(caught.value)
    assert "rule 'b': expiration_days must be at least 1" in str(caught.value)


def failure(endpoint: str, **access: Any) -> str:
    keys = {
        "access_key": "K",
        "secret_key": "S",
        "region": "us-east-1",
        "connect_timeout": 1,
        "read_timeout": 1,
        "attempts": 1,
    }
    with pytest.raises(S3Error) as caught:
        Bucket("some-bucket", Access(endpoint_url=endpoint, **{**keys, **access})).present()
    return str(caught.value)


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def web() -> Iterator[str]:
    """A web server that is no S3."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name in the base class
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_nothing_listens() -> None:
    assert "nothing answers at http://127.0.0.1:1" in failure("http://127.0.0.1:1")


def test_no_answer_comes(silent: str) -> None:
    assert f"http://{silent} accepted the connection and did not answer in time" in failure(f"http://{silent}")


def test_no_tls_is_spoken(web: str) -> None:
    assert f"no valid TLS at https://{web}" in failure(f"https://{web}")


def test_another_kind_of_server_answers(web: str) -> None:
    assert "not as an S3 server; correct endpoint_url" in failure(f"http://{web}")


def test_there_are_no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    assert "there are no credentials" in failure("http://127.0.0.1:1", access_key="", secret_key="")
    assert "the profile is in neither of the files" in failure("http://127.0.0.1:1", profile="nobodys")


def test_a_bucket_name_that_cannot_be() -> None:
    with pytest.raises(S3Error, match="the request is not valid"):
        Bucket("no/bucket name", Access(access_key="K", secret_key="S", region="us-east-1")).present()  # noqa: S106
