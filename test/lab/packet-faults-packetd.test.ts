/**
 * What becomes of packets while packetd is not there, or a script of its cannot be loaded.
 * @module
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { readState } from "#app/supervisor/state-file.ts";
import { QUEUE_LENGTH_MAX } from "../../src/app/script/user-engine.ts";
import { run, start, temporaryFolder } from "../command-line/metanet-command.ts";
import { enterOwnNamespace, rootProblem } from "./own-namespace.ts";
import { UdpHost } from "./packet-queue-net.ts";

/** Shows that it has seen a datagram. */
const SIGNS = `import { accept, delayed, milliseconds, type Packet, udp } from "metanet/script";
export function signs(packet: Packet) {
  packet.find(udp)?.payload().setUint8(0, 0x53);
  return accept;
}
export function holds(packet: Packet) {
  return delayed(milliseconds(300));
}
`;

interface Arrival {
  readonly number: number;
  readonly isSeen: boolean;
}

/** A script on a busy machine takes some of this for a datagram. */
const LOST_AFTER_MS = 1500;

/** Datagrams with numbers, from this machine to itself. */
class Stream {
  readonly #socket: UdpHost;
  readonly #port: number;
  readonly sentAt: number[] = [];
  readonly arrivals: Arrival[] = [];

  constructor(port: number) {
    this.#port = port;
    this.#socket = new UdpHost("127.0.0.1", port);
  }

  send(): void {
    this.#socket.send("127.0.0.1", this.#port, `U${this.sentAt.length}`);
    this.sentAt.push(performance.now());
  }

  collect(): void {
    for (const text of this.#socket.received()) {
      this.arrivals.push({ number: Number(text.slice(1)), isSeen: text[0] === "S" });
    }
  }

  /** Whether one datagram comes through, and whether a script has seen it. */
  async try(): Promise<"seen" | "unseen" | "lost"> {
    this.send();
    const number = this.sentAt.length - 1;
    const end = performance.now() + LOST_AFTER_MS;
    for (;;) {
      this.collect();
      const arrival = this.arrivals.find((one) => one.number === number);
      if (arrival !== undefined) return arrival.isSeen ? "seen" : "unseen";
      if (performance.now() > end) return "lost";
      await pause(5);
    }
  }

  /** The longest time, in milliseconds, in which what was sent did not come as it should. */
  longestWithout(isRight: (arrival: Arrival) => boolean): number {
    const right = new Set(this.arrivals.filter(isRight).map(({ number }) => number));
    let longest = 0;
    let since: number | undefined;
    for (const [number, at] of this.sentAt.entries()) {
      since = right.has(number) ? undefined : (since ?? at);
      longest = Math.max(longest, at - (since ?? at));
    }
    return longest;
  }
}

interface World {
  readonly run: string;
  readonly scripts: string;
  list(): Promise<Record<string, { state: string; error: string; accepted: number }>>;
  pid(): number;
}

/** packetd with these scripts in its configuration, until the test is over. */
async function up(context: TestContext, scripts: readonly string[]): Promise<World> {
  const made: { run: string | undefined } = { run: undefined };
  context.after(async () => {
    if (made.run && readState(made.run)) await run(made.run, ["down"]);
  });
  const folder = temporaryFolder(context);
  chmodSync(folder, 0o755);
  const world = { run: join(folder, "run"), scripts: join(folder, "scripts") };
  made.run = world.run;
  mkdirSync(world.scripts);
  writeFileSync(join(world.scripts, "signs.ts"), SIGNS);
  writeFileSync(join(world.scripts, "broken.ts"), "export function signs( { return 1; }\n");
  writeFileSync(join(world.scripts, "ends.ts"), "process.exit(3); export function signs() {}\n");
  const file = join(world.scripts, "packetd.yaml");
  const lines = scripts.map((script) => `    ${script.replace("DIR", world.scripts)}\n`).join("");
  writeFileSync(file, `run: ${world.run}\nstate: ${folder}/state\npacketd:\n  scripts:\n${lines}`);
  const process = start(world.run, ["up", file]);
  await process.said("packetd is ready");
  return {
    ...world,
    list: async () => {
      const { out, err } = await run(world.run, ["script", "list", "--json"]);
      assert.notEqual(out, "", err);
      return Object.fromEntries(JSON.parse(out).scripts.map((one: { name: string }) => [one.name, one]));
    },
    pid: () => readState(world.run)?.services.find(({ name }) => name === "packetd")?.pid ?? 0,
  };
}

const row = (name: string, file: string, port: number, onError: string, more = ""): string =>
  `${name}: { file: DIR/${file}, function: signs, hook: input, match: udp dport ${port}, on-error: ${onError}${more} }`;

let port = 5000;

async function until(what: string, there: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await there())) {
    assert.ok(Date.now() < end, `not in twenty seconds: ${what}`);
    await pause(50);
  }
}

describe("packetd and its scripts, when something is missing", { skip: rootProblem() }, () => {
  before(() => enterOwnNamespace());

  it("packets of a script that cannot be loaded at the start go by its on-error", async (context) => {
    const [gone, lax, broken, ends, odd, good] = Array.from({ length: 6 }, () => new Stream(++port));
    const first = port - 5;
    const world = await up(context, [
      row("gone", "gone.ts", first, "drop"),
      row("lax", "gone.ts", first + 1, "accept"),
      row("broken", "broken.ts", first + 2, "drop"),
      row("ends", "ends.ts", first + 3, "drop"),
      `odd: { file: DIR/signs.ts, function: signs, hook: input, match: udp dport nonsense, on-error: drop }`,
      row("good", "signs.ts", first + 5, "drop"),
    ]);
    // The start waits for scripts, but not for ever.
    await until("the good one runs", async () => {
      const listed = await world.list().catch(() => undefined);
      return listed?.good?.state === "running";
    });
    const fates = await Promise.all([gone, lax, broken, ends, odd, good].map((stream) => stream?.try()));
    assert.deepEqual(fates, ["lost", "unseen", "lost", "lost", "unseen", "seen"]);
    const listed = await world.list();
    assert.match(listed.gone?.error ?? "", /no such file.*\nIts packets are dropped until it is loaded$/);
    assert.match(listed.lax?.error ?? "", /\nIts packets pass unseen until it is loaded$/);
    assert.match(listed.broken?.error ?? "", /syntax error.*\nIts packets are dropped/s);
    assert.match(listed.odd?.error ?? "", /Cannot use the match.*\nIts packets pass unseen/);
    writeFileSync(join(world.scripts, "gone.ts"), SIGNS);
    assert.equal((await run(world.run, ["script", "reload", "gone"])).code, 0);
    assert.equal((await run(world.run, ["script", "unload", "ends"])).code, 0);
    assert.deepEqual([await gone?.try(), await ends?.try()], ["seen", "unseen"]);
    assert.equal((await run(world.run, ["down"])).code, 0);
    assert.doesNotMatch(execFileSync("nft", ["list", "tables"], { encoding: "utf8" }), /metanet/);
  });

  it("kill -9 of packetd: nothing passes unseen with drop, all goes on with accept, until it is back", async (context) => {
    const [closed, open] = [new Stream(++port), new Stream(++port)];
    const world = await up(context, [
      row("closed", "signs.ts", port - 1, "drop"),
      row("open", "signs.ts", port, "accept"),
    ]);
    const killed = world.pid();
    const at = performance.now();
    let isBack = false;
    process.kill(killed, "SIGKILL");
    const end = performance.now() + 20_000;
    while (!isBack && performance.now() < end) {
      for (const stream of [closed, open]) {
        stream.send();
        stream.collect();
      }
      const last = closed.arrivals.at(-1);
      isBack = (last?.number ?? 0) > 50 && (open.arrivals.at(-1)?.isSeen ?? false);
      await pause(1);
    }
    await pause(100);
    for (const stream of [closed, open]) stream.collect();
    assert.ok(isBack);
    assert.notEqual(world.pid(), killed);
    assert.deepEqual(
      closed.arrivals.filter(({ isSeen }) => !isSeen),
      [],
    );
    const lost = open.sentAt.length - open.arrivals.length;
    const gap = open.longestWithout(() => true);
    context.diagnostic(
      `away for ${Math.round(performance.now() - at)} ms; drop: nothing for ` +
        `${Math.round(closed.longestWithout(({ isSeen }) => isSeen))} ms; accept: unseen for ` +
        `${Math.round(open.longestWithout(({ isSeen }) => isSeen))} ms, ${lost} of ${open.sentAt.length} ` +
        `lost, at most ${Math.round(gap)} ms on end`,
    );
    // What waits in its queue goes with the process, which takes a moment to be gone.
    assert.ok(gap < 1000, `${lost} lost, for ${gap} ms`);
  });

  it("SIGSTOP of packetd: as many wait as the queue is long, more go by on-error; then all is decided", async (context) => {
    const [closed, open] = [new Stream(++port), new Stream(++port)];
    const world = await up(context, [
      row("closed", "signs.ts", port - 1, "drop"),
      row("open", "signs.ts", port, "accept"),
    ]);
    process.kill(world.pid(), "SIGSTOP");
    const excessCount = 150;
    for (let count = 0; count < QUEUE_LENGTH_MAX + excessCount; count++) {
      closed.send();
      open.send();
    }
    await pause(100);
    for (const stream of [closed, open]) stream.collect();
    assert.deepEqual([closed.arrivals.length, open.arrivals.length], [0, excessCount]);
    process.kill(world.pid(), "SIGCONT");
    await pause(500);
    const listed = await world.list();
    // The sockets here hold fewer than come at once.
    assert.deepEqual(
      [listed.closed?.accepted, listed.open?.accepted, listed.closed?.state],
      [QUEUE_LENGTH_MAX, QUEUE_LENGTH_MAX, "running"],
    );
  });

  it("SIGTERM of packetd: what a script holds gets its verdict first", async (context) => {
    const stream = new Stream(++port);
    const world = await up(context, [
      `late: { file: DIR/signs.ts, function: holds, hook: input, match: udp dport ${port}, on-error: drop }`,
    ]);
    for (let count = 0; count < 10; count++) stream.send();
    await pause(50);
    const ended = run(world.run, ["down"]);
    assert.equal((await ended).code, 0);
    stream.collect();
    assert.equal(stream.arrivals.length, 10);
  });

  it("nft flush ruleset: the rules are back soon, also of what is only reserved", async (context) => {
    const [good, gone] = [new Stream(++port), new Stream(++port)];
    const world = await up(context, [
      row("good", "signs.ts", port - 1, "drop"),
      row("gone", "gone.ts", port, "drop"),
    ]);
    for (const command of ["flush ruleset", "flush table inet metanet-scripts"]) {
      assert.deepEqual([await good.try(), await gone.try()], ["seen", "lost"]);
      execFileSync("nft", command.split(" "));
      const start = performance.now();
      assert.deepEqual([await good.try(), await gone.try()], ["unseen", "unseen"], command);
      await until("the rules are back", async () => (await gone.try()) === "lost");
      context.diagnostic(`${command}: back after ${Math.round(performance.now() - start)} ms`);
      assert.equal(await good.try(), "seen");
    }
    assert.equal((await world.list()).good?.state, "running");
  });
});
