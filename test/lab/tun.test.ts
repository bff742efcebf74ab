/**
 * TUN devices with programs at their other end: one that answers pings, one inline between two hosts; and what is left
 * when the device, the program's thread or the program goes.
 * @module
 */
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { after, afterEach, before, describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import type { MetanetError } from "#base/errors.ts";
import type { CapturedPacket } from "#io/captured-packet.ts";
import { type Tun, TunTakenError } from "#io/tun.ts";
import { createNamespace, removeNamespace } from "#linux/namespace.ts";
import { LinuxTun } from "#linux/tun.ts";
import { eachPacket, eventually, waitUntilUp } from "./frame-lab.ts";
import { enterOwnNamespace, rootProblem } from "./own-namespace.ts";

const ICMP = 1;
const LEFT = `tun-l-${process.pid}`;
const RIGHT = `tun-r-${process.pid}`;
const TABLE = "100";
/** Writes the bytes that it has got over TCP. */
const SERVER = `
  require("node:net").createServer((socket) => socket.pipe(socket)).listen(4000, () => console.log("ready"));
  setTimeout(() => process.exit(1), 60_000).unref();`;
const CLIENT = `
  const sent = require("node:crypto").randomBytes(1_000_000);
  const socket = require("node:net").connect(4000, "10.94.2.2");
  const parts = [];
  let count = 0;
  socket.on("data", (part) => { parts.push(part); count += part.length; if (count === sent.length) socket.end(); });
  socket.on("close", () => console.log(Buffer.concat(parts).equals(sent)));
  socket.write(sent);`;

const ip = (words: string): string =>
  execFileSync("ip", words.split(" "), { encoding: "utf8", stdio: "pipe" });

/** Turns an echo request around: addresses trade places, type 8 becomes 0, and the checksum follows. */
function answerPing(tun: Tun, { bytes, offset, capturedBytes }: CapturedPacket): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, capturedBytes);
  if (view.getUint8(0) !== 0x45 || view.getUint8(9) !== ICMP || view.getUint8(20) !== 8) return;
  const source = view.getUint32(12);
  view.setUint32(12, view.getUint32(16));
  view.setUint32(16, source);
  view.setUint8(20, 0);
  const sum = view.getUint16(22) + 0x0800;
  view.setUint16(22, (sum & 0xffff) + (sum >> 16));
  tun.write(bytes, offset, capturedBytes);
}

describe("LinuxTun on real traffic", { skip: rootProblem() }, () => {
  const open: Tun[] = [];
  before(() => {
    enterOwnNamespace();
    process.once("exit", removeHosts);
    const quiet = ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"];
    execFileSync("sysctl", [
      "-qw",
      ...quiet,
      "net.ipv4.conf.all.rp_filter=0",
      "net.ipv4.conf.default.rp_filter=0",
    ]);
  });
  afterEach(() => {
    for (const tun of open.splice(0)) tun.close();
  });
  after(() => {
    process.off("exit", removeHosts);
    removeHosts();
  });

  const make = (name: string): LinuxTun => {
    const tun = new LinuxTun({ mode: "tun", name });
    open.push(tun);
    return tun;
  };

  it("a program answers pings, and none is lost", async () => {
    const tun = make("ping0");
    ip("address add 10.95.0.1/24 dev ping0");
    tun.start(eachPacket((packet) => answerPing(tun, packet)));
    const words = ["-c", "20", "-i", "0.01", "-W", "5", "-s", "1400", "10.95.0.2"];
    const { status, stdout } = await run("ping", words);
    assert.equal(status, 0, stdout);
    assert.match(stdout, /20 packets transmitted, 20 received, 0% packet loss/);
    assert.ok(tun.statistics().receivedCount >= 20);
  });

  it("a program inline between two hosts passes on what it sees, both ways", async () => {
    addHosts();
    const tun = make("inline0");
    ip(`route add default dev inline0 table ${TABLE}`);
    for (const side of ["left0", "right0"]) ip(`rule add iif ${side} lookup ${TABLE}`);
    execFileSync("sysctl", ["-qw", "net.ipv4.ip_forward=1"]);
    const protocols = new Map<number, number>();
    tun.start(
      eachPacket(({ bytes, offset, capturedBytes }) => {
        const protocol = bytes[offset + 9] ?? 0;
        protocols.set(protocol, (protocols.get(protocol) ?? 0) + 1);
        tun.write(bytes, offset, capturedBytes);
      }),
    );
    const inside = (host: string, ...words: string[]): string[] => ["netns", "exec", host, ...words];
    const server = spawn("ip", inside(RIGHT, process.execPath, "-e", SERVER), {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => server.stdout.once("data", resolve));
    const { status, stdout } = await run("ip", inside(LEFT, process.execPath, "-e", CLIENT));
    server.kill("SIGKILL");
    assert.equal(status, 0, stdout);
    assert.equal(stdout.trim(), "true");
    const { receivedCount, sentCount, unsentCount } = tun.statistics();
    assert.ok(receivedCount > 1000, `${receivedCount} packets`);
    assert.deepEqual([sentCount, unsentCount], [receivedCount, 0]);
    assert.equal(protocols.get(6), receivedCount);
  });

  it("a device that is there already is refused, close() removes it, and the name is free again", () => {
    const first = make("once0");
    assert.throws(() => make("once0"), TunTakenError);
    assert.throws(() => make("lo"), TunTakenError);
    assert.match(ip("link show once0"), /mtu 1500/);
    first.close();
    assert.notEqual(spawnSync("ip", ["link", "show", "once0"]).status, 0);
    make("once0");
  });

  it("a device that somebody removes, or takes down, is reported", async () => {
    const tun = make("lost0");
    const troubles: MetanetError[] = [];
    tun.onTrouble((error) => troubles.push(error));
    tun.start(() => undefined);
    ip("link set lost0 down");
    assert.equal(tun.write(Uint8Array.from({ length: 20 }, (_, index) => (index === 0 ? 0x45 : 0))), false);
    assert.match(troubles[0]?.message ?? "", /^Cannot write a packet to lost0: EIO/);
    ip("link delete lost0");
    await eventually(
      () => troubles.length,
      (count) => count > 1,
    );
    assert.match(troubles[1]?.message ?? "", /^Cannot read from lost0: /);
  });

  it("a worker that is ended in the middle leaves no device and no descriptor", async () => {
    const count = (): number => readdirSync("/proc/self/fd").length;
    const before = count();
    const worker = new Worker(new URL("./tun-worker.ts", import.meta.url), { workerData: "worker0" });
    await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    assert.match(readFileSync("/proc/self/net/dev", "utf8"), /worker0:/);
    await worker.terminate();
    assert.doesNotMatch(
      await eventually(
        () => readFileSync("/proc/self/net/dev", "utf8"),
        (text) => !text.includes("worker0:"),
      ),
      /worker0:/,
    );
    assert.equal(await eventually(count, (now) => now <= before), before);
  });
});

/** A program to its end, while this one goes on. */
function run(program: string, words: readonly string[]): Promise<{ status: number | null; stdout: string }> {
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, stdout }));
  });
}

/** Two hosts behind this namespace, which routes between them. */
function addHosts(): void {
  for (const [host, device, net] of [
    [LEFT, "left0", 1],
    [RIGHT, "right0", 2],
  ] as const) {
    createNamespace(host);
    ip(`link add ${device} type veth peer name eth0 netns ${host}`);
    ip(`address add 10.94.${net}.1/24 dev ${device}`);
    ip(`link set ${device} up`);
    ip(`-n ${host} address add 10.94.${net}.2/24 dev eth0`);
    ip(`-n ${host} link set eth0 up`);
    ip(`-n ${host} route add default via 10.94.${net}.1`);
    waitUntilUp([device]);
    waitUntilUp(["eth0"], ["-n", host]);
  }
}

function removeHosts(): void {
  for (const host of [LEFT, RIGHT]) {
    try {
      removeNamespace(host);
    } catch {
      // It was not made.
    }
  }
}
