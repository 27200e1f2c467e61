# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirrors of package indexes: which paths are packages, what a page becomes, whose age is enough."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from credential_proxy.apis.packages import Mirror
from credential_proxy.decision import Forward
from credential_proxy.limits import PAGE_PARTS
from credential_proxy.mirrors import npm, simple
from credential_proxy.mirrors.names import Readings, Release, npm_release, python_readings
from credential_proxy.observation import observer_of
from credential_proxy.policy import Gate, decide
from credential_proxy.refusals import Refusal
from credential_proxy.request import RequestHead
from credential_proxy.response import ResponseRelay
from credential_proxy.settings import PackageRules, Route
from proxy_stand import http_answer

NOW = 1_800_000_000.0
OLD, YOUNG = "2020-01-01T00:00:00.000000Z", "2027-01-14T00:00:00.000000Z"
WEEK = PackageRules(deny=("evil*", "@bad/*"), minimum_age_seconds=7 * 86400)
JSON = "application/vnd.pypi.simple.v1+json"


def gate(rules: PackageRules | None = None, conversation: str = "demo") -> Gate:
    """Make what a conversation may fetch."""
    rules = rules or PackageRules(deny=("evil*", "@bad/*"))
    routes = (
        Route("pypi", "pypi", "/pypi/", "index.test", auth="none", packages=rules),
        Route("files", "pypi_files", "/pypi-files/", "files.test", auth="none", packages=rules),
        Route("npm", "npm", "/npm/", "registry.test", auth="none", base="/repository/npm", packages=rules),
    )
    mirror = Mirror(routes, "http://127.0.0.1:9080", b"k" * 32, lambda: NOW)
    return Gate(conversation, routes, mirror=mirror)


def ask(target: str, accept: str = "*/*", *, method: str = "GET", where: Gate | None = None) -> Forward:
    """Decide about a request for a package."""
    head = RequestHead(method, target, ((b"accept", accept.encode()),), 0, wants_continue=False)
    decision = decide(head, where or gate())
    assert isinstance(decision, Forward)
    return decision


def rewritten(decision: Forward, kind: str, body: Any) -> tuple[str, str]:
    """Rewrite a page."""
    assert decision.transform is not None
    written, out = decision.transform(kind, body.encode() if isinstance(body, str) else json.dumps(body).encode())
    return written, out.decode()


def page(*uploaded: str) -> dict[str, Any]:
    """Make an index page, with one file on another host."""
    names = [f"six-1.{number}-py3-none-any.whl" for number in range(len(uploaded))]
    files = [
        {
            "filename": name,
            "url": f"https://files.test/packages/a/{name}",
            "hashes": {"sha256": "ab"},
            "upload-time": when,
            "core-metadata": True,
        }
        for name, when in zip(names, uploaded, strict=True)
    ]
    elsewhere = {"filename": "six-9.tar.gz", "url": "https://evil.test/six-9.tar.gz", "hashes": {}}
    return {"meta": {"api-version": "1.1"}, "name": "six", "files": [*files, elsewhere]}


@pytest.mark.parametrize(
    ("file", "release"),
    [
        ("Six-1.17.0-py2.py3-none-any.whl", Release("six", "1.17.0")),
        ("zope.interface-7.0-cp311-cp311-manylinux_2_17_x86_64.whl", Release("zope-interface", "7.0")),
        ("a_b-1!2.0+local.1-1-py3-none-any.whl.metadata", Release("a-b", "1!2.0+local.1")),
        ("python-dateutil-2.9.0.post0.tar.gz", Release("python-dateutil", "2.9.0.post0")),
        ("pytz-2026b.zip", Release("pytz", "2026b")),
        ("evil-2fa-1.0.tar.gz", Release("evil-2fa", "1.0")),
        ("evil-2fa-1.0-py3-none-any.whl", Release("evil-2fa", "1.0")),
        ("six-1.0-2-py3-none-any.whl", Release("six", "1.0")),
        ("six-1.0-py3.11.egg", Release("six", "1.0")),
        ("six-1.0.win32.exe", Release("six", "1.0.win32")),
        ("requests-2-1.0.tar.gz", Release("requests-2", "1.0")),
        *((name, None) for name in ("six", "six.tar.gz", "index.html", "six-1.17.0.sh", "-1.0.tar.gz", "a-b.whl")),
    ],
)
def test_names_of_python_files(file: str, release: Release | None) -> None:
    readings = python_readings(file)
    assert (readings.likely[0] if readings is not None else None) == release


@pytest.mark.parametrize("start", ["a", "a-", "a-1", "a-1.", "1-", "-1"])
@pytest.mark.parametrize("end", ["", ".tar.gz", ".tar.gzx", "-py3-none-any.whl", ".egg"])
def test_long_names_are_read_in_no_time(start: str, end: str) -> None:
    began = time.process_time()
    for length in (256, 4000, 15_800):
        file = (start * length)[: length - len(end)] + end
        assert length == 256 or python_readings(file) is None
        python_readings(file)
    assert time.process_time() - began < 0.1
    assert python_readings("a" * 245 + "-1.0.tar.gz") is not None
    assert python_readings("a" * 246 + "-1.0.tar.gz") is None


def test_every_reading_of_a_name() -> None:
    assert python_readings("a-2-1.tar.gz") == Readings(
        (Release("a", "2-1"), Release("a-2", "1")), (Release("a-2", "1"), Release("a", "2-1"))
    )
    assert python_readings("a-2x-1.0.noarch.rpm") == Readings(
        *[(Release("a", "2x"), Release("a-2x", "1.0.noarch"))] * 2
    )


def test_names_of_npm_files() -> None:
    assert npm_release("@scope/pkg", "pkg-1.0.0-rc.1.tgz") == Release("@scope/pkg", "1.0.0-rc.1")
    assert npm_release("pkg", "other-1.0.0.tgz") is None


def test_page_as_json_and_as_html() -> None:
    decision = ask("/pypi/simple/Six/", JSON)
    assert (decision.route.name, decision.target, decision.facts) == ("pypi", "/simple/six/", {"package": "six"})
    kind, out = rewritten(decision, JSON, page(OLD))
    (file,) = json.loads(out)["files"]
    assert kind == JSON
    assert file["url"] == "/pypi-files/packages/a/six-1.0-py3-none-any.whl"
    kind, out = rewritten(ask("/pypi/simple/six"), JSON, page(OLD))
    assert kind.startswith("text/html")
    assert 'href="/pypi-files/packages/a/six-1.0-py3-none-any.whl#sha256=ab"' in out
    assert "evil.test" not in out


def test_page_from_html_keeps_what_pip_reads_and_nothing_else() -> None:
    body = (
        '<html><script>x</script><a href="https://files.test/p/six-1.tar.gz#sha256=cd" data-requires-python="&gt;=3"'
        ' data-yanked="bad" onclick="x">six-1.tar.gz</a><a href="../../p/six-2.tar.gz">six-2.tar.gz</a></html>'
    )
    _kind, out = rewritten(ask("/pypi/simple/six/", JSON), "text/html", body)
    (file,) = json.loads(out)["files"]
    assert file == {
        "filename": "six-1.tar.gz",
        "url": "/pypi-files/p/six-1.tar.gz",
        "hashes": {"sha256": "cd"},
        "requires-python": ">=3",
        "yanked": "bad",
    }


def test_a_character_that_cannot_be_written_is_replaced() -> None:
    body = {"files": [{"filename": "six-1.tar.gz", "url": "https://files.test/p/six-1.tar.gz", "yanked": "\ud800"}]}
    _kind, out = rewritten(ask("/pypi/simple/six/", "text/html"), JSON, body)
    assert 'data-yanked="?"' in out


def test_whatever_goes_wrong_with_a_page_the_client_gets_an_answer() -> None:
    def broken(_kind: str, _body: bytes) -> tuple[str, bytes]:
        raise KeyError("unforeseen")

    forward = replace(ask("/pypi/simple/six/"), transform=broken)
    relay = ResponseRelay("GET", (), observer_of(forward))
    relay.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
    with pytest.raises(Refusal) as caught:
        relay.rewrite(lambda _count: None)
    assert (caught.value.rule, caught.value.detail) == ("upstream-answer", "KeyError in a page")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JSON, "{"),
        (JSON, "[]"),
        (JSON, '{"files": [{}]}'),
        ("text/plain", ""),
        ("", ""),
        ("text/html", '<![[[ref="https://files.test/a-1.tar.gz">a-1.tar.gz</a>'),
        ("text/html", b"\xff".decode("latin-1")),
    ],
)
def test_pages_that_cannot_be_read(kind: str, body: str) -> None:
    decision = ask("/pypi/simple/six/", JSON)
    assert decision.transform is not None
    if body.isascii():
        with pytest.raises(Refusal) as caught:
            decision.transform(kind, body.encode())
        assert caught.value.rule == "upstream-answer"
    else:
        with pytest.raises(Refusal):
            decision.transform(kind, body.encode("latin-1"))


def test_only_old_releases_and_only_for_the_conversation_that_saw_the_page() -> None:
    where = gate(WEEK)
    _kind, out = rewritten(ask("/pypi/simple/six/", JSON, where=where), JSON, page(OLD, YOUNG))
    (file,) = json.loads(out)["files"]
    assert file["filename"] == "six-1.0-py3-none-any.whl"
    decision = ask(file["url"], where=where)
    assert decision.target == "/packages/a/six-1.0-py3-none-any.whl"
    assert decision.facts == {"package": "six", "version": "1.0"}
    for target, other in (
        (file["url"], gate(WEEK, "other")),
        ("/pypi-files/packages/a/six-1.1-py3-none-any.whl", where),
        (file["url"].replace("six-1.0", "six-1.1"), where),
    ):
        with pytest.raises(Refusal) as caught:
            ask(target, where=other)
        assert caught.value.rule == "package-age"


def test_the_seal_covers_the_metadata_and_names_the_project() -> None:
    """Pip asks for it at the file's own address, with an ending that the page does not write."""
    where = gate(PackageRules(allow=("evil",), minimum_age_seconds=7 * 86400))
    names = ("evil-2fa-1.0.tar.gz", "evil-1.0-py3-none-any.whl")
    files = [
        {"filename": name, "url": f"https://files.test/p/{name}", "upload-time": OLD, "core-metadata": {"sha256": "ab"}}
        for name in names
    ]
    _kind, out = rewritten(ask("/pypi/simple/evil/", JSON, where=where), JSON, {"files": files})
    shown = json.loads(out)["files"]
    assert all(file["core-metadata"] == {"sha256": "ab"} for file in shown)
    for file, name, version in zip(shown, names, ("2fa-1.0", "1.0"), strict=True):
        for ending in ("", ".metadata"):
            decision = ask(file["url"] + ending, where=where)
            assert decision.target == f"/p/{name}{ending}"
            assert decision.facts == {"package": "evil", "version": version}
    _kind, out = rewritten(ask("/pypi/simple/evil-2fa/", JSON, where=where), JSON, {"files": files[:1]})
    (file,) = json.loads(out)["files"]
    with pytest.raises(Refusal) as caught:
        ask(file["url"], where=where)
    assert caught.value.rule == "package-denied", "the page said that it is another project's"


def test_when_all_are_too_young_fetching_one_tells_the_reason() -> None:
    where = gate(WEEK)
    _kind, out = rewritten(ask("/pypi/simple/six/", JSON, where=where), JSON, page(YOUNG))
    (file,) = json.loads(out)["files"]
    with pytest.raises(Refusal) as caught:
        ask(file["url"], where=where)
    assert caught.value.rule == "package-age"


def document(*versions: tuple[str, str]) -> dict[str, Any]:
    """Make an npm document."""
    base = "https://registry.test/repository/npm/pkg/-/pkg-"
    return {
        "name": "pkg",
        "dist-tags": {"latest": versions[-1][0], "old": versions[0][0]},
        "versions": {
            version: {"dist": {"tarball": f"{base}{version}.tgz", "integrity": "x"}} for version, _ in versions
        },
        "time": dict(versions),
    }


def test_npm_document() -> None:
    where = gate(WEEK)
    decision = ask("/npm/pkg", where=where)
    assert (decision.target, decision.accept) == ("/repository/npm/pkg", b"application/json")
    _kind, out = rewritten(
        decision, "application/json", document(("1.0.0", OLD), ("1.1.0", "2021" + OLD[4:]), ("2.0.0", YOUNG))
    )
    data = json.loads(out)
    assert set(data["versions"]) == {"1.0.0", "1.1.0"}
    assert data["dist-tags"] == {"old": "1.0.0", "latest": "1.1.0"}
    tarball = data["versions"]["1.0.0"]["dist"]["tarball"]
    assert tarball.startswith("http://127.0.0.1:9080/npm/~")
    fetched = ask(tarball.removeprefix("http://127.0.0.1:9080"), where=where)
    assert fetched.target == "/repository/npm/pkg/-/pkg-1.0.0.tgz"
    with pytest.raises(Refusal) as caught:
        rewritten(ask("/npm/pkg", where=where), "application/json", document(("2.0.0", YOUNG)))
    assert caught.value.rule == "package-age"


def test_scoped_names() -> None:
    for name in ("/npm/@types/node", "/npm/@types%2fnode", "/npm/@types%2Fnode"):
        assert ask(name).facts == {"package": "@types/node"}
    assert ask("/npm/@types/node/-/node-1.0.0.tgz").facts == {"package": "@types/node", "version": "1.0.0"}


@pytest.mark.parametrize(
    ("method", "target", "rule"),
    [
        *(("PUT", target, "read-only") for target in ("/npm/pkg", "/npm/-/user/org.couchdb.user:x", "/pypi/")),
        *(
            ("POST", target, "read-only")
            for target in ("/pypi/legacy/", "/npm/-/npm/v1/security/audits", "/pypi-files/x")
        ),
        ("DELETE", "/npm/pkg/-rev/1", "read-only"),
        *(
            ("GET", target, "index-path")
            for target in (
                *(
                    "/pypi/",
                    "/pypi/simple/",
                    "/pypi/simple/a/b",
                    "/pypi/simple/../x",
                    "/pypi/simple/six%2f",
                    "/pypi/pypi/six/json",
                ),
                *("/pypi-files/packages/../six-1.0.tar.gz", "/pypi-files/six.exe.sh", "/pypi-files//six-1.0.tar.gz"),
                *("/pypi-files/%2e%2e/six-1.0.tar.gz", "/pypi-files/a%2fsix-1.0.tar.gz", "/pypi-files/"),
                *("/npm/", "/npm/-/whoami", "/npm/pkg/-/../x.tgz", "/npm/pkg/-/other-1.0.0.tgz", "/npm//evil.test/x"),
                *("/npm/pkg/1.0.0", "/npm/.hidden", "/npm/pkg/-/pkg-1.0.0.tgz/x", "/npm/@a/b/c"),
            )
        ),
        *(
            ("GET", target, "query")
            for target in ("/npm/pkg?write=true", "/pypi/simple/six/?x", "/pypi-files/six-1.tar.gz?")
        ),
        *(
            ("GET", target, "package-denied")
            for target in (
                *("/npm/evil-thing", "/npm/@bad/x", "/npm/@bad%2fx", "/npm/evil-thing/-/evil-thing-1.0.0.tgz"),
                *("/pypi-files/a/Evil.Thing-1.0.tar.gz", "/pypi-files/a/evil_thing-1.0-py3-none-any.whl.metadata"),
            )
        ),
    ],
)
def test_refused(method: str, target: str, rule: str) -> None:
    with pytest.raises(Refusal) as caught:
        ask(target, method=method)
    assert caught.value.rule == rule
    assert caught.value.status in (403, 405)


def test_an_allow_list_is_all_there_is() -> None:
    where = gate(PackageRules(allow=("six", "@types/*")))
    assert ask("/npm/@types/node", where=where)
    assert ask("/pypi-files/six-1.0-2-py3-none-any.whl", where=where)
    for target in (
        *(
            "/npm/left-pad",
            "/pypi-files/requests-1.0.tar.gz",
            "/pypi-files/six-2-1.0.tar.gz",
            "/pypi-files/six-2-1.zip",
        ),
        *("/pypi-files/six-2fa-1.0-py3-none-any.whl", "/pypi-files/six-2-1.0.noarch.rpm"),
    ):
        with pytest.raises(Refusal) as caught:
            ask(target, where=where)
        assert caught.value.rule == "package-denied"


def test_a_name_with_a_number_in_it() -> None:
    denied, allowed = gate(PackageRules(deny=("evil-2fa",))), gate(PackageRules(allow=("evil-2fa",)))
    for file in ("evil-2fa-1.0.tar.gz", "Evil_2FA-1.0.zip", "evil-2fa-1.0-py3-none-any.whl", "evil-2fa-1.0.noarch.rpm"):
        with pytest.raises(Refusal) as caught:
            ask(f"/pypi-files/{file}", where=denied)
        assert caught.value.rule == "package-denied"
    assert ask("/pypi-files/evil-1.0.tar.gz", where=denied)
    assert ask("/pypi-files/evil-2fa-1.0.tar.gz", where=allowed).facts == {"package": "evil-2fa", "version": "1.0"}


def relayed(forward: Forward, answer: bytes) -> bytes:
    """Relay an answer to this request."""
    return ResponseRelay("GET", (), observer_of(forward)).feed(answer)


def test_a_package_that_is_too_young_as_a_whole_is_refused_as_such(make_proxy: Any, recorder: Any) -> None:
    body = json.dumps(document(("2.0.0", "2026-11-22T00:00:00.000Z"))).replace("/repository/npm", "").encode()
    recorder.answer = lambda sock, _request: sock.sendall(http_answer(b"200 OK", body))
    index = make_proxy(recorder.port, type="npm", prefix="/npm/", credential=None, minimum_age_days=100_000)
    index.start()
    answer = index.exchange(b"GET /npm/pkg HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 Forbidden: this release is too young")
    index.stop()
    assert [record["rule"] for record in index.audit() if record["event"] == "end"] == ["package-age"]


@pytest.mark.parametrize("target", ["/npm/pkg", "/pypi/simple/six/", "/pypi-files/six-1.0.tar.gz"])
@pytest.mark.parametrize("status", [b"206 Partial Content", b"203 Changed", b"204 No Content"])
def test_parts_and_changed_answers_are_refused(target: str, status: bytes) -> None:
    """They would pass without being rewritten, or without the file's hash."""
    with pytest.raises(Refusal) as caught:
        relayed(ask(target), b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
    assert caught.value.rule == "upstream-answer"


def test_parts_are_not_offered() -> None:
    answer = b"HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\ncontent-length: 1\r\n\r\nx"
    assert b"anges" not in relayed(ask("/pypi-files/six-1.0.tar.gz"), answer)


def test_long_names_of_npm() -> None:
    for target in (f"/npm/{'a' * 1100}", f"/npm/pkg/-/pkg-{'1' * 1100}.tgz"):
        with pytest.raises(Refusal) as caught:
            ask(target)
        assert caught.value.rule == "index-path"


@pytest.mark.parametrize("form", ["npm", "simple"])
def test_pages_of_too_many_parts(form: str) -> None:
    """Their memory would end the service; the smallest objects are the dearest."""

    def read(parts: int) -> None:
        body = b'{"versions":{},"files":[],"a":[%b]}' % b",".join([b"{}"] * (parts // 2))
        if form == "npm":
            npm.rewrite(body, lambda _path, _time: None, "")
        else:
            simple.read(simple.JSON_TYPE, body, "https://a.test/", "a")

    read(PAGE_PARTS - 100)
    with pytest.raises(Refusal) as caught:
        read(PAGE_PARTS + 100)
    assert caught.value.rule == "upstream-size"
