/**
 * Flow programs on the packets of a router between two hosts with Linux's own TCP.
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, before, describe, test } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { inNamespace } from "#linux/namespace.ts";
import type { LoadedScript, ScriptSpec } from "#script/engine.ts";
import { edited } from "./flow-inline-edits.ts";
import type { PeerReport } from "./flow-inline-peer.ts";
import { rootProblem } from "./own-namespace.ts";
import { PacketQueueNet, SERVER, type Version } from "./packet-queue-net.ts";
import { eventually, newEngine, type TestEngine, testSpec } from "./packet-script-engine.ts";

const CASES = join(import.meta.dirname, "flow-inline-cases.ts");
const PEER = join(import.meta.dirname, "flow-inline-peer.ts");
const PORT = 8099;
const MEGABYTE = 1 << 20;

describe("flow programs inline", { skip: rootProblem(), timeout: 600_000 }, () => {
  let net: PacketQueueNet;
  let engine: TestEngine;
  const children = new Set<ChildProcess>();

  before(() => {
    net = new PacketQueueNet();
    engine = newEngine();
  });
  after(async () => {
    await engine.close();
    net.close();
  });
  afterEach(async () => {
    for (const child of children) child.kill("SIGKILL");
    for (const { spec } of await engine.list()) await engine.unload(spec.name);
    engine.log.length = 0;
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
    const found = (await engine.list()).find((one) => one.spec.name === name);
    assert.ok(found);
    return found;
  }

  function peer(role: "client" | "server", version: Version, seed: number, lengthBytes: number): Peer {
    const host = role === "client" ? net.client : net.server;
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
    assert.deepEqual(engine.log, []);
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
        net.setOffload(isOffloading);
        try {
          await engine.load(spec({ function: "edits" }));
          assertEdited(await converse(version, MEGABYTE), MEGABYTE);
          assert.equal((await listed("edits")).statistics.errors, 0);
        } finally {
          net.setOffload(true);
        }
      });
    }
    test(`a megabyte each way with edits over a path that loses and reorders on both sides, IPv${version}`, async (t) => {
      await engine.load(spec({ function: "edits" }));
      await engine.load(spec({ function: "loses", hook: "prerouting" }));
      await engine.load(spec({ function: "losesMore", hook: "postrouting" }));
      const start = performance.now();
      assertEdited(await converse(version, MEGABYTE), MEGABYTE);
      t.diagnostic(`${((performance.now() - start) / 1000).toFixed(1)} s`);
    });
  }

  test("a header line is inserted into a request; one is removed from a response, its status replaced", async () => {
    await engine.load(spec({ function: "headers" }));
    const server = createServer((asked, answer) => {
      answer.setHeader("X-Secret", "none of your business");
      answer.end(`inline: ${asked.headers["x-inline"]}`);
    });
    inNamespace(net.server, () => server.listen(PORT, SERVER[4]));
    await once(server, "listening");
    try {
      const agent = (): ReturnType<typeof request> =>
        request({ host: SERVER[4], port: PORT, agent: false, createConnection: () => from(net.client) });
      const asking = agent();
      asking.end();
      const [answer] = await once(asking, "response");
      let text = "";
      for await (const part of answer) text += String(part);
      assert.equal(text, "inline: yes");
      assert.equal(answer.statusCode, 203);
      assert.equal(answer.headers["x-secret"], undefined);
    } finally {
      server.close();
    }
  });

  function from(host: string): ReturnType<typeof connect> {
    return inNamespace(host, () => connect(PORT, SERVER[4]));
  }

  test("reset ends both sockets at once; send speaks for an end", async () => {
    await engine.load(spec({ function: "resets" }));
    const server = createTcpServer();
    inNamespace(net.server, () => server.listen(PORT, SERVER[4]));
    await once(server, "listening");
    try {
      const client = from(net.client);
      const [accepted] = await once(server, "connection");
      await new Promise((resolve) => client.write("fine", resolve));
      assert.equal(String((await once(accepted, "data"))[0]), "fine");
      const ended = [once(client, "error"), once(accepted, "error")];
      client.write("FORBIDDEN");
      for (const [error] of await Promise.all(ended)) assert.equal(error.code, "ECONNRESET");
      await engine.unload("resets");
      await engine.load(spec({ function: "speaks" }));
      const other = from(net.client);
      const [host] = await once(server, "connection");
      host.end("this");
      let text = "";
      for await (const part of other) text += String(part);
      assert.equal(text, "thisand more");
    } finally {
      server.close();
    }
  });

  test("a firewall drops", async () => {
    await engine.load(spec({ function: "firewall" }));
    const [client] = await converse(4, 1000);
    assert.equal(client.error, "");
    const other = inNamespace(net.client, () => connect(PORT + 1, SERVER[4]));
    other.on("error", () => undefined);
    await eventually(async () => ((await listed("firewall")).statistics.verdicts.drop ?? 0) > 0);
    assert.equal(other.connecting, true);
    other.destroy();
  });

  test("a program that only reads gets aggregates whole", async () => {
    await engine.load(spec({ function: "reads" }));
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
    await engine.load(spec({ function: "places", queueCount: 2 }));
    for (let count = 0; count < 8; count++) await converse(count % 2 === 0 ? 4 : 6, 1000);
    const map = engine.maps.open("places", { key: "text", countMax: 4096 }) as unknown as Iterable<[string]>;
    const isolates = new Map<string, Set<string>>();
    for (const [key] of map) {
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
      await engine.load(spec({ function: "edits", file }));
      const server = createTcpServer();
      inNamespace(net.server, () => server.listen(PORT, SERVER[4]));
      await once(server, "listening");
      const client = from(net.client);
      const [accepted] = await once(server, "connection");
      client.write(new Uint8Array(30_000));
      let count = 0;
      while (count < edited(new Uint8Array(30_000)).length) count += (await once(accepted, "data"))[0].length;
      const ended = [once(client, "error"), once(accepted, "error")];
      copyFileSync(CASES, file);
      await engine.load(spec({ function: "edits", file }));
      accepted.resume();
      client.write("more");
      for (const [error] of await Promise.all(ended)) assert.equal(error.code, "ECONNRESET");
      server.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

class Peer {
  readonly #lines: AsyncIterator<string>;

  constructor({ stdout }: ChildProcess) {
    assert.ok(stdout);
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    return String((await this.#lines.next()).value);
  }

  async report(): Promise<PeerReport> {
    return JSON.parse(await this.line()) as PeerReport;
  }
}
