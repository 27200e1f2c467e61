# Workers, child processes, servers, watchers and files of Node.js; then npm with a package that has a script.
cat >work.mjs <<'JS'
import { Worker, isMainThread, parentPort } from "node:worker_threads";
import { execFileSync, fork, spawnSync } from "node:child_process";
import { createHash, generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import zlib from "node:zlib";
import assert from "node:assert";

if (process.argv[2] === "child") { process.send(42); process.disconnect(); }
else if (!isMainThread) parentPort.postMessage(6 * 7);
else {
  const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));
  assert.equal(await once(new Worker(new URL(import.meta.url)), "message"), 42);
  assert.equal(await once(fork(process.argv[1], ["child"]), "message"), 42);
  assert.equal(execFileSync("sh", ["-c", "echo out"]).toString(), "out\n");
  assert.equal(spawnSync("false").status, 1);
  assert.equal(createHash("sha256").update("x").digest("hex").length, 64);
  generateKeyPairSync("ec", { namedCurve: "P-256" });
  assert.equal(zlib.gunzipSync(zlib.gzipSync("text")).toString(), "text");
  assert.ok(os.networkInterfaces().lo && os.cpus().length > 0 && os.totalmem() > 0);
  await fs.promises.writeFile("one", "1");
  const watcher = fs.watch(".");
  const changed = once(watcher, "change");
  await fs.promises.copyFile("one", "two");
  await changed;
  watcher.close();
  await fs.promises.rm("one");
  const server = http.createServer((request, response) => response.end("hello")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/`);
  assert.equal(await answer.text(), "hello");
  server.closeAllConnections();
  server.close();
}
JS
node work.mjs
mkdir -p package && cat >package/package.json <<'JSON'
{"name": "greeting", "version": "1.0.0", "bin": {"greet": "greet.js"}, "scripts": {"postinstall": "node -e \"require('fs').writeFileSync('ran', '')\""}}
JSON
printf '#!/usr/bin/env node\nconsole.log("hello")\n' >package/greet.js
(cd package && npm pack --silent --pack-destination ..)
mkdir app && cd app && npm init --yes --silent >/dev/null
npm install --silent --offline --no-audit --no-fund ../greeting-1.0.0.tgz
test -e node_modules/greeting/ran && npx --offline greet | grep -qx hello
