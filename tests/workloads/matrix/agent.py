"""The agent's native program: its version, then a prompt that a stand-in for the model answers with a tool call."""

import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

AGENT = "/opt/claude/claude"


def events(request: dict) -> list[dict]:
    """The model's answer as it streams: first a shell command, then, once that has a result, the closing words."""
    told = any(
        isinstance(message["content"], list) and any(part.get("type") == "tool_result" for part in message["content"])
        for message in request["messages"]
    )
    names = [tool["name"] for tool in request.get("tools", [])]
    if "Bash" in names and not told:
        block = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
        wish = json.dumps({"command": "echo done > proof", "description": "writes a file"})
        delta, reason = {"type": "input_json_delta", "partial_json": wish}, "tool_use"
    else:
        block, reason = {"type": "text", "text": ""}, "end_turn"
        delta = {"type": "text_delta", "text": "all done"}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]


class Model(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not request.get("stream"):
            body = json.dumps({"input_tokens": 1}).encode()
        else:
            body = b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events(request))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if request.get("stream") else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.send_error(404)

    def do_HEAD(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


version = subprocess.run([AGENT, "--version"], capture_output=True, text=True, check=True, timeout=120).stdout
assert "Claude Code" in version, version
server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {
    **os.environ,
    "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{server.server_port}",
    "ANTHROPIC_API_KEY": "none",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
}
done = subprocess.run(
    [AGENT, "-p", "write the proof", "--allowedTools", "Bash"],
    env=environment,
    capture_output=True,
    text=True,
    timeout=300,
    stdin=subprocess.DEVNULL,
)
assert done.returncode == 0 and "all done" in done.stdout, (done.returncode, done.stdout[-500:], done.stderr[-500:])
assert Path("proof").read_text() == "done\n"
