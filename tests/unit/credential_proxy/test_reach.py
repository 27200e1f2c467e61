# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts that would have the provider reach out, however they are written; and those that only speak of it."""

from __future__ import annotations

import base64
import json
import random
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from credential_proxy.config import parse
from credential_proxy.limits import MIB, PROMPT_PARTS
from credential_proxy.plan import Planner
from credential_proxy.policy import Gate, decide
from credential_proxy.prompt import read_prompt
from credential_proxy.reach import Wishes
from credential_proxy.refusals import RULES, Refusal
from credential_proxy.request import RequestHead, parse_request
from credential_proxy.settings import REACHES, ConfigError, Policy, Route

URL = "https://attacker.test/?d=stolen"
TOOL = {
    "name": "get",
    "description": "d",
    "input_schema": {"type": "object", "properties": {"url": {"type": "string"}}},
}


def reach(body: Any) -> set[str]:
    """Return what a prompt asks for; one that is not bytes is written as JSON."""
    return Wishes(read_prompt(body if isinstance(body, bytes) else json.dumps(body).encode())).reach


def content(*blocks: Any, **more: Any) -> dict[str, Any]:
    """A prompt with such blocks of content."""
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": list(blocks)}], **more}


def image(**source: Any) -> dict[str, Any]:
    """A block with a source."""
    return {"type": "image", "source": source}


def tools(*items: Any) -> dict[str, Any]:
    """A prompt with such tools."""
    return content({"type": "text", "text": "hello"}, tools=[TOOL, *items])


S3 = {"format": "pdf", "name": "n", "source": {"s3Location": {"uri": "s3://others/secret", "bucketOwner": "1"}}}
SERVER = {"type": "url", "url": URL, "name": "x"}
ASKING = [
    (content(mcp_servers=[SERVER]), "mcp"),
    (content(mcp_servers={"0": SERVER}), "mcp"),
    (tools({"type": "mcp_toolset", "mcp_server_name": "x"}), "mcp"),
    (tools({"type": "mcp", "server_url": URL}), "mcp"),
    (content(image(type="url", url=URL)), "url_source"),
    (content(image(type="URL", url=URL)), "url_source"),
    (content(image(url=URL)), "url_source"),
    (
        content({"type": "document", "source": {"type": "content", "content": [image(type="url", url=URL)]}}),
        "url_source",
    ),
    (content({"type": "tool_result", "tool_use_id": "t", "content": [image(type="url", url=URL)]}), "url_source"),
    (content({"type": "image_url", "image_url": {"url": URL}}), "url_source"),
    (content({"type": "input_image", "image_url": URL}), "url_source"),
    (content({"type": "input_file", "file_url": URL}), "url_source"),
    (content(system=[{"type": "document", "source": {"type": "url", "url": URL}}]), "url_source"),
    *(
        (tools({"type": kind, "name": "x"}), name)
        for kind, name in (
            *(("web_search_20250305", "web_search"), ("web_search_20991231", "web_search")),
            *(
                ("web_fetch_20250910", "web_fetch"),
                ("web_fetch_20991231", "web_fetch"),
                ("WEB_FETCH_20250910", "web_fetch"),
            ),
            *(("code_execution_20250522", "code_execution"), ("code_execution_20991231", "code_execution")),
            *(("web_search", "web_search"), ("web_search_preview", "web_search"), ("file_search", "other_tools")),
            *(("teleport_20271231", "other_tools"), ("agent_toolset_20260401", "other_tools")),
        )
    ),
    (content({"type": "tool_addition", "tool": {"type": "web_fetch_20260318", "name": "web_fetch"}}), "web_fetch"),
    (content({"document": S3}), "s3"),
    (content({"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://a/b"}}}}), "s3"),
    ({"mediaSource": {"s3Uri": "s3://a/b"}}, "s3"),
    (content({"type": "input_audio", "input_audio": {"data": URL, "format": "wav"}}), "url_source"),
    *(
        (content({"type": "x", key: " " + URL.upper()}), "url_source")
        for key in ("image", "audio", "video", "input_audio")
    ),
    (content(web_search_options={}), "web_search"),
    (content(output_config={"format": {"mcp_servers": [SERVER]}}), "mcp"),
    ({"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}, "web_search"),
    ({"toolConfig": {"tools": [{"systemTool": {"name": "nova_code_interpreter"}}]}}, "code_execution"),
    ({"toolConfig": {"tools": [{"systemTool": {"name": "nova_tomorrow"}}]}}, "other_tools"),
    ({"messages": [], "additionalModelRequestFields": {"mcp_servers": [SERVER]}}, "mcp"),
    ({"requests": [{"custom_id": "a", "params": content(mcp_servers=[SERVER])}]}, "mcp"),
    ({"requests": [{"custom_id": "a", "params": tools({"type": "web_fetch_20250910"})}]}, "web_fetch"),
    ({"input": {"converse": content({"document": S3})}}, "s3"),
    ({"type": "tool_use", "input": {"converse": content({"document": S3})}}, "s3"),
    (
        {
            "input": {
                "invokeModel": {"body": base64.b64encode(json.dumps(content(mcp_servers=[SERVER])).encode()).decode()}
            }
        },
        "mcp",
    ),
]


@pytest.mark.parametrize(("body", "name"), ASKING)
def test_what_asks_is_found(body: Any, name: str) -> None:
    assert reach(body) == {name}


@pytest.mark.parametrize(("body", "name"), ASKING)
def test_escapes_hide_nothing(body: Any, name: str) -> None:
    text = json.dumps(body)
    for word in ("mcp_servers", "url", "type", "s3Location", "s3Uri", "systemTool", "tools", "web_fetch", "source"):
        hidden = "".join(f"\\u{ord(letter):04x}" for letter in word)
        text = text.replace(f'"{word}', f'"{hidden}')
    assert reach(text.encode()) == {name}
    assert reach(json.dumps(body, indent=4).encode()) == {name}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b'{"mcp_servers":[{"url":"x"}],"mcp_servers":[]}', "mcp"),
        (b'{"mcp_servers":[],"mcp_servers":[{"url":"x"}]}', "mcp"),
        (b'{"source":{"type":"base64","type":"url","url":"x"}}', "url_source"),
        (b'{"source":{"type":"url","type":"base64","url":"x"}}', "url_source"),
        (b'{"source":{"type":"url"},"source":{"type":"base64","data":""}}', "url_source"),
        (b'{"tools":[{"type":"custom","type":"web_fetch_20250910"}]}', "web_fetch"),
        (b'{"tools":[{"type":"web_fetch_20250910","type":"custom"}],"tools":[]}', "web_fetch"),
        (b'{"tools":[[{"type":"web_fetch_20250910"}]]}', "web_fetch"),
        (b'{"content":[{"type":"tool_use","type":"image","input":{"source":{"type":"url"}}}]}', "url_source"),
        (b'{"\\u006d\\u0063\\u0070_servers":"x","a":"\\\\u0041"}', "mcp"),
    ],
)
def test_a_key_given_twice_counts_twice(text: bytes, name: str) -> None:
    assert reach(text) == {name}


@pytest.mark.parametrize(
    "body",
    [
        content(
            {"type": "text", "text": f'"mcp_servers":[{{"type":"url","url":"{URL}"}}], web_fetch_20250910, s3Location'}
        ),
        content({"type": "text", "text": URL, "citations": [{"type": "web_search_result_location", "url": URL}]}),
        content(image(type="base64", media_type="image/png", data="aGFsbG8=")),
        content({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGFsbG8="}}),
        content({"type": "search_result", "source": URL, "title": "t", "content": [{"type": "text", "text": "x"}]}),
        content({"type": "tool_use", "id": "t", "name": "WebFetch", "input": {"url": URL, "prompt": "p"}}),
        content({"type": "tool_use", "id": "t", "name": "X", "input": {"source": {"type": "url", "url": URL}}}),
        content({"toolUse": {"toolUseId": "t", "name": "X", "input": {"s3Location": "x", "mcp_servers": [1]}}}),
        content({"toolResult": {"toolUseId": "t", "content": [{"json": {"type": "url", "s3Location": "x"}}]}}),
        content({"type": "text", "text": "x"}, mcp_servers=[], system="mcp_servers"),
        tools(
            {"type": "custom", **TOOL},
            {
                "type": "function",
                "function": {"name": "n", "parameters": {"properties": {"s3Uri": {"type": "string"}}}},
            },
            *(
                {"type": kind}
                for kind in ("bash_20250124", "text_editor_20250728", "memory_20991231", "computer_20251124")
            ),
            *(
                {"type": kind}
                for kind in ("tool_search_tool_regex", "tool_search_tool_bm25_20251119", "advisor_20260301")
            ),
            {"name": "m", "input_schema": {"properties": {"mcp_servers": {"type": "array", "default": [SERVER]}}}},
        ),
        content(
            context_management={"edits": [{"type": "clear_tool_uses_20250919"}, {"type": "clear_thinking_20251015"}]}
        ),
        {"toolConfig": {"tools": [{"toolSpec": {"name": "n", "inputSchema": {"json": {"s3Uri": {"type": "url"}}}}}]}},
        {"messages": [{"role": "user", "content": "read s3://bucket/key and " + URL}]},
        *(
            content(**{key: {**kind, "schema": {"properties": {"tools": {"type": "web_search"}, "s3_uri": {}}}}})
            for key, kind in (("output_format", {"type": "json_schema"}), ("json_schema", {"name": "x"}))
        ),
        content(output_config={"format": {"type": "json_schema", "schema": {"properties": {"mcp_servers": {"a": 1}}}}}),
        tools({**TOOL, "input_examples": [{"source": {"type": "url", "url": URL}, "s3_path": "a"}]}),
        content(requestMetadata={"s3-bucket": "a"}),
        content({"type": "input_audio", "input_audio": {"data": "aGFsbG8=", "format": "wav"}}),
        content({"type": "x", "image": "data:image/png;base64,aGFsbG8=", "audio": "aGFs/bG8="}),
        [1, 2],
        "mcp_servers",
    ],
)
def test_what_only_speaks_of_it_passes(body: Any) -> None:
    assert reach(body) == set()


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"hello", b"{}{}", b'{"a":1,}', b"{'a':1}", b'{"a":"\n"}', b"// x\n{}", b"[" * 100_000, b"\xff{}"),
        *(
            '{"mcp_servers":[1]}'.encode(coding)
            for coding in ("utf-16", "utf-16-le", "utf-32-be", "utf-8-sig", "cp037")
        ),
        b'{"\xc1\xadcp_servers":[1]}',  # "m" in two bytes, which is no UTF-8 but decodes to it in some programs
        b'{"a":"\xed\xa0\x80"}',
        b'{"input":{"invokeModel":{"body":"?"}}}',
        b'{"input":{"invokeModel":{"body":"e30="},"invokemodel":{"body":"e30="}}}',
    ],
)
def test_what_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        reach(body)
    assert caught.value.rule == "body-json"


def test_random_bodies_are_read_or_refused() -> None:
    choose = random.Random(7)  # noqa: S311
    bodies = [json.dumps(body).encode() for body, _name in ASKING]
    for _ in range(3000):
        body = bytearray(choose.choice(bodies))
        for _ in range(choose.randrange(1, 4)):
            at = choose.randrange(len(body))
            body[at : at + choose.randrange(3)] = choose.choice(
                (b"", b"\\", b'"', b"{", b"]", b"\0", b"\xc3", b"[[", b"1e999")
            )
            body = body or bytearray(b"1")
        try:
            assert reach(bytes(body)) <= set(REACHES)
        except Refusal as refusal:
            assert refusal.rule == "body-json"


def test_texts_in_other_alphabets_pass() -> None:
    for text in ("grüße, 你好, 🙂", "\ud83d\ude00" + "é" * 70000, "ü" * 65535):
        data = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        assert reach(json.dumps(content({"type": "text", "text": data}), ensure_ascii=False).encode()) == set()


@pytest.mark.parametrize("unit", [b'{"":0},', b"{},", b"[],", b"0,"])
def test_a_body_of_many_parts_is_refused_before_it_is_parsed(unit: bytes) -> None:
    body = bytearray(b"[" + unit * (32 * MIB // len(unit) - 1) + b"0]")
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(Refusal) as caught:
        read_prompt(body)
    took, (_now, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.rule == "body-parts"
    assert took < 1
    assert peak < 40 * MIB


def test_honest_large_bodies_pass() -> None:
    prose = "Well, this is a sentence, as people write them, with a comma now and then. " * 26_000
    picture = base64.b64encode(bytes(range(256)) * 60_000).decode()
    turns = [{"role": "user", "content": [{"type": "text", "text": prose}]}] * 2
    body = content(image(type="base64", media_type="image/png", data=picture), messages=turns)
    body["messages"].append({"role": "user", "content": [image(type="base64", data=picture)]})
    assert reach(body) == set()


@pytest.mark.parametrize("unit", [b'{"input":{}}', b'"input":{}', b'{"type":"url"}'])
def test_the_most_parts_take_bounded_time(unit: bytes) -> None:
    parts = sum(unit.count(sign) for sign in (b"{", b"[")) + 1
    items = b",".join([unit] * ((PROMPT_PARTS - 10) // parts))
    body = b'{"content":[{%b}]}' % items if unit.startswith(b'"') else b'{"content":[%b]}' % items
    prompt = read_prompt(body)
    began = time.process_time()
    Wishes(prompt)
    assert time.process_time() - began < 2


def test_bodies_for_counting_are_not_unpacked_without_end() -> None:
    body = b"{}"
    for _ in range(3):
        body = b'{"invokeModel":{"body":"%b"}}' % base64.b64encode(body)
    with pytest.raises(Refusal):
        reach(body)


def test_a_long_table_in_a_text_is_not_many_parts() -> None:
    table = json.dumps("1,2,[3],{4}\n" * PROMPT_PARTS + '"')
    assert read_prompt(f'{{"model":"m","a":{table}}}'.encode())
    for body in (b'["",' + b"0," * PROMPT_PARTS + b"0]", b'["\\"",' + b"[]," * PROMPT_PARTS + b'"\\\\"]'):
        with pytest.raises(Refusal) as caught:
            read_prompt(body)
        assert caught.value.rule == "body-parts"


@pytest.mark.parametrize("unit", [b'\\"', b"\\\\", b'","'])
def test_texts_without_an_end_take_bounded_time(unit: bytes) -> None:
    for end in (b"", b'"', b"\\"):
        body = b'["' + unit * (PROMPT_PARTS // 3) + b"," * (4 * MIB) + end
        began = time.process_time()
        with pytest.raises(Refusal):
            read_prompt(body)
        assert time.process_time() - began < 1


def test_long_numbers_cost_no_more_than_texts() -> None:
    body = b"[" + b",".join([b"9" * 4300] * 7000) + b"]"
    began = time.process_time()
    read_prompt(body)
    assert time.process_time() - began < 0.5


def test_models_beside_the_main_one() -> None:
    body = tools({"type": "advisor_20260301", "name": "advisor", "model": "dear"})
    body["fallbacks"] = [{"model": "dearer"}]
    assert Wishes(read_prompt(json.dumps(body).encode())).models == {"dear", "dearer"}
    assert Wishes(read_prompt(b'{"fallbacks":"default"}')).models == {"default"}
    assert Wishes(read_prompt(b'{"fallbacks":["one",{"model":"two"}]}')).models == {"one", "two"}
    past = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}
    assert Wishes(read_prompt(json.dumps(content(past)).encode())).models == set()


# The configuration.

ROUTE = {"name": "a", "type": "anthropic", "prefix": "/", "host": "api.test", "credential": "anthropic"}


def route(**more: Any) -> Route:
    """Read a route as the program does."""
    return parse(json.dumps({"routes": [{**ROUTE, **more}]})).routes[0]


def test_the_route_s_key() -> None:
    assert route().provider_reach == ()
    assert route(provider_reach=["web_search", "mcp"]).provider_reach == ("web_search", "mcp")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"provider_reach": ["web"]}, "routes[0].provider_reach: must be a list of mcp, url_source"),
        ({"provider_reach": "mcp"}, "routes[0].provider_reach: must be a list of"),
        ({"provider_reach": [[]]}, "routes[0].provider_reach: must be a list of"),
        ({"type": "npm", "provider_reach": []}, "routes[0].provider_reach: only routes to models have it"),
    ],
)
def test_a_wrong_key_is_a_problem(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        route(**more)
    assert any(found.startswith(problem) for found in caught.value.problems)


def test_every_reach_has_its_rule() -> None:
    assert {f"reach-{name}" for name in REACHES} == {rule for rule in RULES if rule.startswith("reach-")}
    assert all(name in RULES[f"reach-{name}"].cure for name in REACHES)


# The head of a request.


def planned(*fields: bytes, **more: Any) -> bool:
    """Plan a message with such fields; tell whether its prompt is read."""
    head = parse_request(b"\r\n".join((b"POST /v1/messages HTTP/1.1", b"Host: a", b"Content-Length: 2", *fields)))
    return Planner(Gate("demo", (route(**more),))).plan(head).reads_prompt


@pytest.mark.parametrize(
    "field",
    [
        *(b"Content-Encoding: gzip", b"Content-Encoding: identity\r\nContent-Encoding: br"),
        *(b"Content-Type: application/json; charset=utf-7", b"Content-Type: application/json;charset=utf-16"),
        *(b"Content-Type: application/json; charset=utf-8; charset=cp037", b'Content-Type: a/b; CharSet="utf-16"'),
        *(b"Content-Type: application/json; charset*=x''utf-7", b"Content-Type: application/json; charset=utf-8x"),
    ],
)
def test_what_must_be_decoded_first_is_refused(field: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        planned(field)
    assert caught.value.rule == "body-form"


@pytest.mark.parametrize(
    "field",
    [
        *(b"Content-Type: application/json", b"Content-Type: application/json; charset=utf-8", b"X-A: b"),
        *(b'Content-Type: application/json;charset="UTF-8" ; x=y', b"Content-Encoding: identity"),
        b"Content-Type: application/x-www-form-urlencoded",
    ],
)
def test_plain_bodies_are_read(field: bytes) -> None:
    assert planned(field)


def test_where_everything_is_allowed_nothing_is_read() -> None:
    assert not planned(b"Content-Encoding: gzip", provider_reach=list(REACHES))
    assert planned(b"X-A: b", provider_reach=list(REACHES), models=["m"])
    assert planned(b"X-A: b", provider_reach=list(REACHES[1:]))


@pytest.mark.parametrize(
    "call", ["invoke", "invoke-with-response-stream", "converse", "converse-stream", "count-tokens"]
)
def test_every_call_of_bedrock_is_looked_at(call: str) -> None:
    bedrock = Route("run", "bedrock", "/", "r.test", credential="aws", auth="bearer")
    head = RequestHead("POST", f"/model/m/{call}", (), 2, wants_continue=False)
    assert getattr(decide(head, Gate("demo", (bedrock,), policy=Policy())), "prompts", False)


# The whole service.


def message(body: bytes, path: bytes = b"/v1/messages", *, chunked: bool = False) -> bytes:
    """Write a request."""
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    if chunked:
        body = b"".join(
            b"%x\r\n%b\r\n" % (len(body[at : at + 70]), body[at : at + 70]) for at in range(0, len(body), 70)
        )
        body += b"0\r\n\r\n"
    return b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%b\r\n\r\n%b" % (path, framing, body)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", [b"/v1/messages", b"/v1/messages?beta=true", b"/v1/messages/count_tokens"])
def test_nothing_of_it_leaves(proxy: Any, recorder: Any, path: bytes, chunked: bool) -> None:
    body = json.dumps(content(mcp_servers=[SERVER])).encode()
    answer = proxy.exchange(message(body, path, chunked=chunked))
    assert answer.startswith(b"HTTP/1.1 403 Forbidden: this prompt would have the provider fetch from elsewhere")
    assert b"(MCP servers); leave it out, or ask the operator to allow mcp (provider_reach)" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "permission_error"
    assert recorder.connections == []
    proxy.stop()
    (end,) = [record for record in proxy.audit() if record["event"] == "end"]
    assert end | {"verdict": "refused", "rule": "reach-mcp", "status": 403} == end


def test_what_the_route_allows_by_name_passes(make_proxy: Callable[..., Any], recorder: Any) -> None:
    proxy = make_proxy(recorder.port, provider_reach=["web_search", "mcp"])
    proxy.start()
    for body, status in (
        (tools({"type": "web_search_20250305", "name": "web_search"}), b"200"),
        (content(mcp_servers=[SERVER]), b"200"),
        (tools({"type": "web_fetch_20250910", "name": "web_fetch"}), b"403"),
        (content(image(type="url", url=URL), mcp_servers=[SERVER]), b"403"),
    ):
        assert proxy.exchange(message(json.dumps(body).encode())).startswith(b"HTTP/1.1 " + status)
    assert len(recorder.connections) <= 2
    assert b"web_fetch" not in recorder.received


def test_fallbacks_and_advisors_are_models_too(make_proxy: Callable[..., Any], recorder: Any) -> None:
    proxy = make_proxy(recorder.port, models=["small-*"])
    proxy.start()
    for more, status in (
        ({}, b"200"),
        ({"fallbacks": [{"model": "small-2"}]}, b"200"),
        ({"fallbacks": [{"model": "dear"}]}, b"403"),
        ({"fallbacks": "default"}, b"403"),
        ({"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "dear"}]}, b"403"),
        ({"model": "dear"}, b"403"),
    ):
        body = json.dumps(content(**{"model": "small-1", **more})).encode()
        assert proxy.exchange(message(body)).startswith(b"HTTP/1.1 " + status)
