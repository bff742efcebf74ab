/**
 * Impaired links with real traffic: what arrives, when, and how often, against the model with the same seed and against
 * the clock. @serial: it measures delays.
 * @module
 */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { createNamespace, removeNamespace } from "#linux/namespace.ts";
import { findLink, NoSuchLinkError } from "../../src/app/lab/impair-link.ts";
import { type Impairing, startImpairing } from "../../src/app/lab/impair-process.ts";
import type { WayReport } from "../../src/app/lab/impair-report.ts";
import { type Arrival, decide, quantile, type Stream, sendNumbered } from "./impair-lab.ts";
import { rootProblem } from "./own-namespace.ts";
import {
  CLIENT,
  LEFT,
  PacketQueueNet,
  RIGHT,
  run,
  SERVER,
  type UdpHost,
  type Version,
} from "./packet-queue-net.ts";

const PORT = 4000;
const ATTEMPT_COUNT_MAX = 3;
const ONLY = ["--match", `udp dport ${PORT}`];
/** Ethernet, IP and UDP headers and twenty bytes. */
const WIRE_BYTES = { 4: 14 + 28 + 20, 6: 14 + 48 + 20 } as const;

describe("lab impair with real traffic", { skip: rootProblem() }, () => {
  let net: PacketQueueNet;
  let client: Record<Version, UdpHost>;
  let server: Record<Version, UdpHost>;
  const running: Impairing[] = [];

  before(() => {
    setPriority(constants.priority.PRIORITY_HIGH);
    net = new PacketQueueNet();
    client = { 4: net.udp(net.client, CLIENT[4], PORT), 6: net.udp(net.client, CLIENT[6], PORT) };
    server = { 4: net.udp(net.server, SERVER[4], PORT), 6: net.udp(net.server, SERVER[6], PORT) };
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await one.kill();
    run("nft flush ruleset");
    run(`ip netns exec ${net.client} nft flush ruleset`);
  });
  after(() => net.close());

  async function impair(link: string, ...words: string[]): Promise<Impairing> {
    const one = await startImpairing(link, words);
    running.push(one);
    return one;
  }

  async function stop(one: Impairing): Promise<readonly WayReport[]> {
    running.splice(running.indexOf(one), 1);
    return one.stop();
  }

  /** Numbered datagrams from the client to the server. */
  function send(version: Version, count: number, more: Partial<Stream> = {}): Promise<Arrival[]> {
    const [from, to, address] = [client[version], server[version], SERVER[version]];
    return sendNumbered({ from, to, address, port: PORT, count, perStep: 5, ...more });
  }

  function numbers(arrivals: readonly Arrival[], isFirst: boolean): Set<number> {
    return new Set(arrivals.filter((each) => each.isFirst === isFirst).map(({ number }) => number));
  }

  /** A machine that does something else makes everything later: only what is too late three times counts. */
  async function quietly(
    attempt: (isLate: (late: boolean, said: string) => void) => Promise<void>,
  ): Promise<void> {
    const late: string[] = [];
    do {
      const before = late.length;
      await attempt((isLate, said) => {
        if (isLate) late.push(said);
      });
      if (late.length === before) return;
    } while (late.length < ATTEMPT_COUNT_MAX);
    assert.fail(`too late each time: ${late.join("; ")}`);
  }

  /** The client's own end, where packets come from sockets; and the router's, where they are forwarded. */
  const ends = [
    ["from a socket", () => `${net.client}:eth0`],
    ["forwarded", () => "wan0"],
  ] as const;

  for (const [what, link] of ends) {
    for (const version of [4, 6] as const) {
      it(`loses and duplicates just those that the seed chooses, IPv${version} ${what}`, async () => {
        const words = ["--loss", "5%", "--duplicate", "5%", "--delay", "3ms", "--seed", "7"];
        const one = await impair(link(), ...words, ...ONLY);
        const decided = decide(one.impairment, 1500, WIRE_BYTES[version]);
        const arrivals = await send(version, 1500);
        const all = Array.from({ length: 1500 }, (_, number) => number);
        assert.deepEqual(
          all.filter((number) => !numbers(arrivals, true).has(number)),
          [...decided.lost],
        );
        assert.deepEqual(
          [...numbers(arrivals, false)].sort((a, b) => a - b),
          [...decided.duplicated],
        );
        // The seed's own shares, so that a model that chooses nobody cannot pass.
        assert.ok(decided.lost.size > 40 && decided.lost.size < 110, `${decided.lost.size} lost`);
        const [report] = await stop(one);
        assert.deepEqual([report?.packets, report?.unsent, report?.excess], [1500, 0, 0]);
        assert.equal(report?.left, arrivals.length);
      });
    }

    it(`delays by the asked distribution, ${what}`, async () => {
      const words = ["--delay", "30ms", "--jitter", "10ms", "--jitter-reorders", ...ONLY];
      await quietly(async (isLate) => {
        const one = await impair(link(), ...words);
        const delays = (await send(4, 1000)).map(({ delay }) => delay);
        const [report] = await stop(one);
        assert.equal(delays.length, 1000);
        // Uniform: quartiles at 25 and 35. Never early, which no load excuses.
        const seen = [0, 0.25, 0.5, 0.75, 0.95].map((share) => quantile(delays, share));
        const least = [19.9, 23.6, 28.4, 33.4, 38];
        const most = [22, 28, 33, 38.5, 46];
        const said = seen.map((value) => value.toFixed(2)).join(" ");
        assert.ok(
          seen.every((value, index) => value >= (least[index] ?? 0)),
          said,
        );
        assert.ok(report && report.delayMeanMilliseconds > 29.2);
        isLate(
          seen.some((value, index) => value > (most[index] ?? 0)),
          said,
        );
        const { delayMeanMilliseconds: mean, delayDeviationMilliseconds: deviation } = report;
        // 10 by the root of 3 is 5.77.
        isLate(mean > 33 || deviation > 8, `${mean} ± ${deviation}`);
        assert.ok(deviation > 5.3, `${deviation}`);
      });
    });
  }

  it("keeps the order where jitter shall not change it", async () => {
    await impair("wan0", "--delay", "10ms", "--jitter", "8ms", ...ONLY);
    const order = (await send(4, 1000)).map(({ number }) => number);
    assert.deepEqual(
      order,
      Array.from({ length: 1000 }, (_, number) => number),
    );
  });

  it("lets those that the seed chooses pass all others", async () => {
    await quietly(async (isLate) => {
      const words = ["--delay", "60ms", "--reorder", "10%", "--seed", "11", ...ONLY];
      const one = await impair("wan0", ...words);
      const { atOnce } = decide(one.impairment, 600, WIRE_BYTES[4]);
      const arrivals = await send(4, 600);
      await stop(one);
      assert.equal(arrivals.length, 600);
      const early = arrivals.filter(({ delay }) => delay < 59.9).map(({ number }) => number);
      assert.ok(early.every((number) => atOnce.has(number)));
      assert.ok(atOnce.size > 30 && atOnce.size < 95, `${atOnce.size}`);
      isLate(early.length !== atOnce.size, `${early.length} of ${atOnce.size} at once`);
      const passed = arrivals.filter(({ number }, index) => (arrivals[index - 1]?.number ?? -1) > number);
      isLate(passed.length < atOnce.size / 4, `${passed.length} of ${atOnce.size} passed others`);
    });
  });

  for (const [what, link] of ends) {
    it(`corrupts packets so that the receiver's checksum finds it, ${what}`, async () => {
      const one = await impair(link(), "--corrupt", "20%", "--delay", "2ms", "--seed", "5", ...ONLY);
      const { corrupted } = decide(one.impairment, 500, WIRE_BYTES[4]);
      const before = udpErrors();
      const came = numbers(await send(4, 500), true);
      const missing = Array.from({ length: 500 }, (_, number) => number).filter(
        (number) => !came.has(number),
      );
      assert.deepEqual(missing, [...corrupted]);
      assert.equal(udpErrors() - before, corrupted.size);
      assert.ok(corrupted.size > 60 && corrupted.size < 140);
    });

    it(`lets through as much as its rate, ${what}`, async () => {
      await quietly(async (isLate) => {
        const one = await impair(link(), "--rate", "8mbit", ...ONLY);
        // 1000 bytes and 42 of headers take 1.042 ms.
        const arrivals = await send(4, 400, { perStep: 20, lengthBytes: 1000, patience: 700 });
        await stop(one);
        assert.equal(arrivals.length, 400);
        const at = (index: number): number => (arrivals[index]?.at ?? 0) - (arrivals[0]?.at ?? 0);
        const said = `${at(399).toFixed(1)} ms for all, ${at(200).toFixed(1)} ms for half`;
        // The first one may be seen late.
        isLate(at(399) < 399 * 1.042 - 6 || at(399) > 399 * 1.042 + 15, said);
        isLate(at(200) < 200 * 1.042 - 12 || at(200) > 200 * 1.042 + 15, said);
      });
    });
  }

  it("loses what its limit has no room for", async () => {
    const one = await impair("wan0", "--delay", "100ms", "--limit", "50", ...ONLY);
    const arrivals = await send(4, 200, { perStep: 200 });
    const [report] = await stop(one);
    assert.deepEqual([arrivals.length, report?.overflowed], [50, 150]);
  });

  it("impairs both ways with --both, and only what leaves without", async () => {
    const back = (): Promise<Arrival[]> =>
      send(4, 50, { from: server[4], to: client[4], address: CLIENT[4] });
    const one = await impair("wan0", "--delay", "25ms");
    assert.ok(
      quantile(
        (await send(4, 50)).map(({ delay }) => delay),
        0,
      ) >= 24.9,
    );
    assert.ok(
      quantile(
        (await back()).map(({ delay }) => delay),
        0.5,
      ) < 15,
    );
    await stop(one);
    const both = await impair("wan0", "--delay", "25ms", "--both", "--duplicate", "100%");
    for (const arrivals of [await send(4, 50), await back()]) {
      assert.ok(
        quantile(
          arrivals.map(({ delay }) => delay),
          0,
        ) >= 24.9,
      );
      assert.equal(arrivals.length, 100);
    }
    assert.deepEqual(
      (await stop(both)).map(({ way }) => way),
      ["out", "in"],
    );
  });

  it("carries TCP that is lost, doubled, disordered and late, and a socket's own TCP at full width", async () => {
    const all = ["--delay", "5ms", "--jitter", "2ms", "--loss", "1%", "--duplicate", "1%", "--reorder", "2%"];
    const lossy = await impair("wan0", ...all, "--corrupt", "0.1%", "--seed", "3", "--both");
    assert.ok((await upload(300_000)) < 15_000);
    await stop(lossy);
    await impair(`${net.client}:eth0`, "--delay", "20ms");
    // Two packets for each delay, as TCP's small queues would have it, would take 14 seconds.
    const took = await upload(2_000_000);
    assert.ok(took > 40 && took < 6000, `${took} ms`);
  });

  it("lets everything pass unimpaired after kill -9, and starts again over what is left", async () => {
    const one = await impair("wan0", "--delay", "50ms");
    assert.ok(
      quantile(
        (await send(4, 20)).map(({ delay }) => delay),
        0,
      ) >= 49.9,
    );
    running.pop();
    await one.kill();
    const after = await send(4, 100);
    assert.equal(after.length, 100);
    assert.ok(
      quantile(
        after.map(({ delay }) => delay),
        0.5,
      ) < 20,
    );
    assert.match(run("nft list tables"), /metanet-impair-wan0/);
    await stop(await impair("wan0", "--delay", "1ms"));
    assert.doesNotMatch(run("nft list tables"), /metanet-impair/);
  });

  it("lets go of what waits when it is stopped", async () => {
    for (const [, link] of ends) {
      const one = await impair(link(), "--delay", "2s", ...ONLY);
      const coming = send(4, 20, { patience: 700 });
      await new Promise((over) => setTimeout(over, 200));
      await stop(one);
      assert.equal((await coming).length, 20);
    }
  });

  it("ends with --for, and tells JSON lines on the way and at the end", async () => {
    const main = join(import.meta.dirname, "../../bin/metanet");
    const words = ["lab", "impair", "wan0", "--loss", "100%", "--for", "500ms", "--every", "200ms", "--json"];
    const ended = promisify(execFile)(process.execPath, [main, ...words, ...ONLY]);
    // Its first line says that it is ready.
    await once(ended.child.stdout ?? assert.fail(), "data");
    assert.deepEqual(await send(4, 600, { patience: 1000 }).then((all) => all.length < 600), true);
    const lines = (await ended).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual([lines[0].event, lines[1].event, lines.at(-1).event], ["ready", "progress", "end"]);
    const [out] = lines.at(-1).directions as WayReport[];
    assert.ok(out && out.packets > 0 && out.lost === out.packets, JSON.stringify(out));
    assert.doesNotMatch(run("nft list tables"), /metanet-impair/);
  });

  it("refuses a second one on the same link, and goes on", async () => {
    await impair("wan0", "--delay", "30ms");
    await assert.rejects(startImpairing("wan0", ["--loss", "100%"]), /another process impairs it already/);
    const main = join(import.meta.dirname, "../../bin/metanet");
    const clear = promisify(execFile)(process.execPath, [main, "lab", "impair", "wan0", "--clear"]);
    await assert.rejects(clear, { code: 1, stderr: /another process impairs it already/ });
    assert.ok(
      quantile(
        (await send(4, 10)).map(({ delay }) => delay),
        0,
      ) >= 29.9,
    );
    await impair("lan0", "--delay", "1ms");
  });

  it("impairs a bridge's port where IP that crosses the bridge can be queued, and says how otherwise", async () => {
    const left = net.udp(net.left, LEFT, PORT);
    const right = net.udp(net.right, RIGHT, PORT);
    const send = { port: PORT, count: 20, perStep: 5 };
    const there = (): Promise<Arrival[]> => sendNumbered({ ...send, from: left, to: right, address: RIGHT });
    const back = (): Promise<Arrival[]> => sendNumbered({ ...send, from: right, to: left, address: LEFT });
    await impair("port1", "--delay", "25ms").then(stop, (error: Error) => {
      assert.match(error.message, /port of br0.*ip link set br0 type bridge nf_call_iptables 1/);
    });
    run("ip link set br0 type bridge nf_call_iptables 1 nf_call_ip6tables 1");
    try {
      await impair("port1", "--delay", "25ms");
      assert.ok(
        quantile(
          (await there()).map(({ delay }) => delay),
          0,
        ) >= 24.9,
      );
      assert.ok(
        quantile(
          (await back()).map(({ delay }) => delay),
          0.5,
        ) < 15,
      );
    } finally {
      run("ip link set br0 type bridge nf_call_iptables 0 nf_call_ip6tables 0");
    }
  });

  it("knows a running lab's links by their names, and lists them", () => {
    const host = `impair${process.pid}`;
    const namespace = `mn${process.pid}-${host}`;
    createNamespace(namespace);
    try {
      run(`ip -n ${namespace} link add eth0 type veth peer name eth1`);
      assert.equal(findLink(host).namespace, namespace);
      assert.equal(findLink(`${host}:lo`).name, "lo");
      assert.throws(
        () => findLink("nosuch"),
        (error) => error instanceof NoSuchLinkError && error.message.includes(`${host} (${host}:eth0)`),
      );
      assert.throws(() => findLink(`${host}:eth7`), /has lo, eth1, eth0|has lo, eth0, eth1/);
    } finally {
      removeNamespace(namespace);
    }
  });

  function udpErrors(): number {
    const [names = "", values = ""] = run(`ip netns exec ${net.server} cat /proc/net/snmp`)
      .split("\n")
      .filter((line) => line.startsWith("Udp:"));
    return Number(values.split(" ")[names.split(" ").indexOf("InErrors")]);
  }

  /** Milliseconds that the client takes to bring bytes to a program of the server's by TCP. */
  async function upload(count: number): Promise<number> {
    const sink = `
      const server = require("node:net").createServer({ allowHalfOpen: true }, (socket) => {
        let count = 0;
        socket.on("data", (bytes) => { count += bytes.length; }).on("end", () => socket.end(String(count)));
      });
      server.listen(0, "${SERVER[4]}", () => console.log(server.address().port));`;
    const child = spawn("ip", ["netns", "exec", net.server, process.execPath, "-e", sink]);
    try {
      const port = await new Promise<string>((resolve) =>
        child.stdout.once("data", (text) => resolve(String(text).trim())),
      );
      const source = `
        const started = performance.now();
        const socket = require("node:net").connect(${port}, "${SERVER[4]}", () => socket.end(Buffer.alloc(${count})));
        socket.on("data", (text) => console.log(String(text), performance.now() - started));`;
      const words = ["netns", "exec", net.client, process.execPath, "-e", source];
      const { stdout } = await promisify(execFile)("ip", words, { timeout: 30_000 });
      const [came, took] = stdout.trim().split(" ").map(Number);
      assert.equal(came, count);
      return took ?? 0;
    } finally {
      child.kill("SIGKILL");
    }
  }
});
