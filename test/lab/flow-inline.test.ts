/**
 * Flow programs on the packets of a router between two hosts with Linux's own TCP.
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, test } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import type { LoadedScript, ScriptSpec } from "#script/engine.ts";
import { edited } from "./flow-inline-edits.ts";
import type { PeerReport } from "./flow-inline-peer.ts";
import { rootProblem } from "./own-namespace.ts";
import { SERVER, type Version } from "./packet-queue-net.ts";
import { eventually, testSpec } from "./packet-script-engine.ts";
import { ScriptLab } from "./packet-script-lab.ts";

const CASES = join(import.meta.dirname, "flow-inline-cases.ts");
const PEER = join(import.meta.dirname, "flow-inline-peer.ts");
const PORT = 8099;
const MEGABYTE = 1 << 20;

describe("flow programs inline", { skip: rootProblem(), timeout: 600_000 }, () => {
  const lab = new ScriptLab();
  const children = new Set<ChildProcess>();

  afterEach(async () => {
    for (const child of children) child.kill("SIGKILL");
    lab.engine.log.length = 0;
  });

  function spec(change: Partial<ScriptSpec> & { readonly function: string }): ScriptSpec {
    return testSpec({
      name: change.function,
      file: CASES,
      isolate: change.function,
      match: "meta l4proto tcp",
      ...change,
    });
  }

  async function listed(name: string): Promise<LoadedScript> {
    const found = (await lab.engine.list()).find((one) => one.spec.name === name);
    assert.ok(found);
    return found;
  }

  function peer(role: "client" | "server", version: Version, seed: number, lengthBytes: number): Peer {
    const host = role === "client" ? lab.net.client : lab.net.server;
    const words = [PEER, role, SERVER[version], `${PORT}`, `${seed}`, `${lengthBytes}`];
    const args = ["netns", "exec", host, process.execPath, "-C", "metanet-source", ...words];
    const child = spawn("ip", args, { stdio: ["ignore", "pipe", "inherit"] });
    children.add(child);
    return new Peer(child);
  }

  /** Both ends send a stream and end it; what each got. */
  async function converse(version: Version, lengthBytes: number): Promise<[PeerReport, PeerReport]> {
    const server = peer("server", version, 1, lengthBytes);
    await server.line();
    const client = peer("client", version, 2, lengthBytes);
    const reports = await Promise.all([client.report(), server.report()]);
    assert.deepEqual(lab.engine.log, []);
    return reports;
  }

  function assertEdited([client, server]: readonly [PeerReport, PeerReport], lengthBytes: number): void {
    for (const [report, seed] of [
      [client, 1],
      [server, 2],
    ] as const) {
      const wanted = edited(new SeededRandom(seed).bytes(lengthBytes));
      const sha256 = createHash("sha256").update(wanted).digest("hex");
      assert.deepEqual(report, { lengthBytes: wanted.length, sha256, error: "" });
    }
  }

  for (const version of [4, 6] as const) {
    for (const isOffloading of [true, false]) {
      test(`a megabyte each way with edits, IPv${version}, offload ${isOffloading ? "on" : "off"}`, async () => {
        lab.net.setOffload(isOffloading);
        try {
          await lab.engine.load(spec({ function: "edits" }));
          assertEdited(await converse(version, MEGABYTE), MEGABYTE);
          assert.equal((await listed("edits")).statistics.errors, 0);
        } finally {
          lab.net.setOffload(true);
        }
      });
    }
    test(`a megabyte each way with edits over a path that loses and reorders on both sides, IPv${version}`, async (t) => {
      await lab.engine.load(spec({ function: "edits" }));
      await lab.engine.load(spec({ function: "loses", hook: "prerouting" }));
      await lab.engine.load(spec({ function: "losesMore", hook: "postrouting" }));
      const start = performance.now();
      assertEdited(await converse(version, MEGABYTE), MEGABYTE);
      t.diagnostic(`${((performance.now() - start) / 1000).toFixed(1)} s`);
    });
  }

  /** A program in a host's namespace, which says what it sees line by line. */
  function runIn(host: string, code: string): Peer {
    const child = spawn("ip", ["netns", "exec", host, process.execPath, "-e", code], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    children.add(child);
    return new Peer(child);
  }

  test("a header line is inserted into a request; one is removed from a response, its status replaced", async () => {
    await lab.engine.load(spec({ function: "headers" }));
    const server = runIn(
      lab.net.server,
      `require("node:http").createServer((asked, answer) => {
         answer.setHeader("X-Secret", "none of your business");
         answer.end("inline: " + asked.headers["x-inline"]);
       }).listen(${PORT}, () => console.log("listening"));`,
    );
    await server.line();
    const client = runIn(
      lab.net.client,
      `fetch("http://${SERVER[4]}:${PORT}/").then(async (answer) => console.log(
         JSON.stringify([answer.status, answer.headers.get("x-secret"), await answer.text()])));`,
    );
    assert.deepEqual(JSON.parse(await client.line()), [203, null, "inline: yes"]);
  });

  test("send speaks for an end", async () => {
    await lab.engine.load(spec({ function: "speaks" }));
    const server = runIn(
      lab.net.server,
      serving('socket.write("this"); setTimeout(() => socket.end("!"), 500);'),
    );
    await server.line();
    const client = runIn(lab.net.client, connecting(""));
    let text = "";
    for (let line = await client.line(); line !== "close "; line = await client.line()) text += line.slice(5);
    assert.equal(text, "thisand more!");
    assert.equal(await server.line(), "connected");
    assert.equal(await server.line(), "close ");
  });

  test("reset ends both sockets at once", async () => {
    await lab.engine.load(spec({ function: "resets" }));
    const server = runIn(lab.net.server, serving(""));
    await server.line();
    const client = runIn(lab.net.client, connecting('socket.write("fine");'));
    await server.line();
    assert.equal(await server.line(), "data fine");
    client.say("FORBIDDEN");
    assert.equal(await server.line(), "close ECONNRESET");
    assert.equal(await client.line(), "close ECONNRESET");
  });

  test("a firewall drops", async () => {
    await lab.engine.load(spec({ function: "firewall" }));
    const [client] = await converse(4, 1000);
    assert.equal(client.error, "");
    runIn(lab.net.client, `require("node:net").connect(${PORT + 1}, "${SERVER[4]}");`);
    await eventually(async () => ((await listed("firewall")).statistics.verdicts.drop ?? 0) > 1);
  });

  test("a program that only reads gets aggregates whole", async () => {
    await lab.engine.load(spec({ function: "reads" }));
    const [client, server] = await converse(4, 8 * MEGABYTE);
    assert.deepEqual(
      [client.lengthBytes, server.lengthBytes, client.error],
      [8 * MEGABYTE, 8 * MEGABYTE, ""],
    );
    const { isWriting, statistics } = await listed("reads");
    assert.equal(isWriting, false);
    assert.ok(statistics.bytes / statistics.packets > 2500, `${statistics.packets} packets`);
  });

  test("two queues: both directions of a connection come to one isolate", async () => {
    await lab.engine.load(spec({ function: "places", queueCount: 2 }));
    for (let count = 0; count < 8; count++) await converse(count % 2 === 0 ? 4 : 6, 1000);
    const map = lab.engine.maps.open("places", { key: "text", countMax: 4096 }) as unknown as {
      keys(): Iterable<string>;
    };
    const isolates = new Map<string, Set<string>>();
    for (const key of map.keys()) {
      const [port = "", , isolate = ""] = key.split(" ");
      isolates.set(port, (isolates.get(port) ?? new Set()).add(isolate));
    }
    assert.equal(isolates.size, 8);
    for (const [port, names] of isolates) assert.equal(names.size, 1, `port ${port}: ${[...names].join()}`);
  });

  test("a new version of the script resets the flows that the old one edited", async () => {
    const folder = mkdtempSync(join(tmpdir(), "flow-inline-"));
    const file = join(folder, "flow-inline-cases.ts");
    try {
      copyFileSync(CASES, file);
      copyFileSync(join(import.meta.dirname, "flow-inline-edits.ts"), join(folder, "flow-inline-edits.ts"));
      await lab.engine.load(spec({ function: "edits", file }));
      const server = runIn(lab.net.server, serving(""));
      await server.line();
      const client = runIn(lab.net.client, connecting('socket.write("x".repeat(25000));'));
      await server.line();
      let text = "";
      while (text.length < edited(new Uint8Array(25_000)).length) text += (await server.line()).slice(5);
      assert.match(text, /<instead 2, and a bit longer than before>/);
      copyFileSync(CASES, file);
      await lab.engine.load(spec({ function: "edits", file }));
      client.say("more");
      assert.equal(await server.line(), "close ECONNRESET");
      assert.equal(await client.line(), "close ECONNRESET");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** A server that says when it listens, when it has a connection, and what comes. */
function serving(first: string): string {
  return `require("node:net").createServer({ allowHalfOpen: false }, (socket) => {
    console.log("connected");
    ${TELLING}
    ${first}
  }).listen(${PORT}, () => console.log("listening"));`;
}

/** A client that says what comes, and sends what it is told. */
function connecting(first: string): string {
  return `const socket = require("node:net").connect(${PORT}, "${SERVER[4]}");
    process.stdin.on("data", (bytes) => socket.write(bytes));
    ${TELLING}
    ${first}`;
}

const TELLING = `let error = "";
  socket.on("data", (bytes) => console.log("data " + bytes));
  socket.on("error", ({ code }) => { error = code; });
  socket.on("close", () => { console.log("close " + error); process.exit(); });`;

class Peer {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    assert.ok(child.stdout);
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  say(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** The next line; fails when there is none. */
  async line(): Promise<string> {
    const next = await this.#lines.next();
    assert.notEqual(next.done, true, "the process has ended");
    return String(next.value);
  }

  async report(): Promise<PeerReport> {
    return JSON.parse(await this.line()) as PeerReport;
  }
}
