/**
 * Scripts that make packets longer and shorter, under real traffic through a router: what is pushed where a packet comes in
 * and popped where it leaves arrives as it was sent, with checksums that a receiver verifies, of packets whose checksum
 * was complete from the start and of those whose device had yet to complete it.
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import type { KernelLink, KernelMap, KernelProgram } from "#io/kernel-programs.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { native } from "#linux/native.ts";
import { type CompiledScript, STATISTICS_MAP } from "#script/compiler/compiled.ts";
import { compileAt } from "../kernel-scripts/compiler.ts";
import { whyNoKernel } from "../kernel-scripts/engines.ts";
import { ModulePrograms } from "../kernel-scripts/program.ts";
import { moduleOf } from "../packet-views/agreement.ts";
import { enterOwnNamespace, rootProblem } from "./own-namespace.ts";

const CLIENT = `mn-sc-${process.pid}`;
const SERVER = `mn-ss-${process.pid}`;
const PORT = 4000;

/** Answers what it is sent, over UDP and TCP. */
const ECHO = `
  const udp = require("node:dgram").createSocket("udp6");
  udp.on("message", (bytes, { port, address }) => udp.send(bytes, port, address));
  udp.bind(${PORT}, () => require("node:net").createServer((socket) => socket.pipe(socket)).listen(${PORT}, "::", () => console.log("ready")));
`;

/** Asks, and says what came back: lengths of datagrams that are as they were, and bytes of a stream. */
const ASK = `
  const [, address, kind] = process.argv;
  const bytesOf = (count) => Buffer.from(Array.from({ length: count }, (_, index) => (index * 7 + 3) & 255));
  if (kind === "udp") {
    const socket = require("node:dgram").createSocket(address.includes(":") ? "udp6" : "udp4");
    const left = [5, 64, 333, 1000];
    const seen = [];
    let wanted;
    const next = () => {
      wanted = left.shift();
      if (wanted === undefined) { console.log(JSON.stringify(seen)); socket.close(); clearInterval(again); }
      else socket.send(bytesOf(wanted), ${PORT}, address);
    };
    const again = setInterval(() => socket.send(bytesOf(wanted), ${PORT}, address), 1000);
    setTimeout(() => { console.log(JSON.stringify([...seen, "missing"])); process.exit(0); }, 8000).unref();
    socket.on("message", (bytes) => {
      const isSame = bytes.equals(bytesOf(wanted).subarray(0, bytes.length));
      seen.push(isSame ? bytes.length : "other bytes");
      next();
    });
    next();
  } else {
    const socket = require("node:net").connect(${PORT}, address);
    const sent = bytesOf(50_000);
    const parts = [];
    socket.on("data", (part) => {
      parts.push(part);
      const all = Buffer.concat(parts);
      if (all.length < sent.length) return;
      console.log(JSON.stringify([all.equals(sent)]));
      socket.destroy();
    });
    socket.setTimeout(8000, () => { console.log(JSON.stringify(["missing"])); process.exit(0); });
    socket.write(sent);
  }
`;

interface Case {
  readonly name: string;
  readonly top?: string;
  readonly push: string;
  readonly pop: string;
  readonly kinds: readonly ("udp" | "tcp")[];
  readonly lengths?: readonly number[];
}

const CASES: readonly Case[] = [
  {
    name: "a shim between UDP and what it carries",
    top: "const SHIM = Uint8Array.of(0xab, 0xcd, 0, 4);",
    push: "if (packet.find(udp)?.splice(8, 0, SHIM)) done.add(1);",
    pop: "const data = packet.find(udp)?.payload(); if (data?.uint16(0) === 0xabcd) { if (data.splice(0, 4)) done.add(1); }",
    kinds: ["udp"],
  },
  {
    name: "IP in IP",
    push: `const ip = packet.payload(ipv4);
      if (ip !== undefined && ip.splice(ip.headerBytes, 0, ip.copy(0, 20))) { const outer = packet.payload(ipv4); if (outer) outer.protocol = 4; done.add(1); return; }
      const six = packet.payload(ipv6);
      if (six === undefined || six.upperProtocol === 58 || !six.splice(40, 0, six.copy(0, 40))) return;
      const outer = packet.payload(ipv6); if (outer) outer.nextHeader = 41; done.add(1);`,
    pop: `const ip = packet.payload(ipv4);
      if (ip?.protocol === 4) { if (packet.splice(0, ip.headerBytes)) done.add(1); return; }
      const six = packet.payload(ipv6);
      if (six?.nextHeader === 41 && packet.splice(0, 40)) done.add(1);`,
    kinds: ["udp", "tcp"],
  },
  {
    name: "an odd number of bytes at the end",
    push: "const data = packet.find(udp)?.payload(); if (data && data.lengthBytes > 7) { if (data.splice(7, data.lengthBytes - 7)) done.add(1); }",
    pop: "return;",
    kinds: ["udp"],
    lengths: [5, 7, 7, 7],
  },
  {
    name: "options of TCP",
    push: "const segment = packet.find(tcp); if (segment && segment.headerBytes > 20) { if (segment.splice(20, segment.headerBytes - 20)) done.add(1); }",
    pop: "return;",
    kinds: ["tcp"],
  },
];

interface Attached {
  readonly script: CompiledScript;
  readonly maps: ReadonlyMap<string, KernelMap>;
  readonly program: KernelProgram;
  readonly link: KernelLink;
}

function scriptOf(body: string, top: string): string {
  return moduleOf(`export const options = { tunnels: false };
${top}
export function f(packet: Packet, context: script.Context) {
const done = context.counter("done");
${body}
}`);
}

/** A counter's sum over all processors. */
function countOf({ script, maps }: Attached, name: string): number {
  const lanes = maps.get(STATISTICS_MAP)?.get(new Uint8Array(4)) ?? new Uint8Array(0);
  const data = new DataView(lanes.buffer, lanes.byteOffset, lanes.byteLength);
  let sum = 0n;
  if (!script.counters.includes(name)) return 0;
  for (let at = script.counters.indexOf(name) * 8; at + 8 <= lanes.length; at += script.counters.length * 8)
    sum += data.getBigInt64(at, true);
  return Number(sum);
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "inherit"] });
}

/** A namespace at the other end of a cable, without aggregates, and with one transport header for each packet. */
function plug(name: string, device: string, net: number): void {
  ip("netns", "add", name);
  ip("link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", name);
  ip("address", "add", `10.98.${net}.1/24`, "dev", device);
  ip("address", "add", `fd98:${net}::1/64`, "dev", device, "nodad");
  ip("link", "set", device, "up");
  ip("-n", name, "address", "add", `10.98.${net}.2/24`, "dev", "eth0");
  ip("-n", name, "address", "add", `fd98:${net}::2/64`, "dev", "eth0", "nodad");
  ip("-n", name, "link", "set", "eth0", "mtu", "1400", "up");
  ip("-n", name, "route", "add", "default", "via", `10.98.${net}.1`);
  ip("-n", name, "-6", "route", "add", "default", "via", `fd98:${net}::1`);
  const off = ["tso", "off", "gso", "off", "gro", "off"];
  execFileSync("ip", ["netns", "exec", name, "ethtool", "-K", "eth0", ...off], { stdio: "ignore" });
  execFileSync("ethtool", ["-K", device, ...off, "tx", "off"], { stdio: "ignore" });
}

/** Whether devices leave checksums to be completed. */
function offload(isOn: boolean): void {
  for (const name of [CLIENT, SERVER]) {
    execFileSync("ip", ["netns", "exec", name, "ethtool", "-K", "eth0", "tx", isOn ? "on" : "off"], {
      stdio: "ignore",
    });
    execFileSync(
      "ip",
      ["netns", "exec", name, "ethtool", "-K", "eth0", "tso", "off", "gso", "off", "gro", "off"],
      { stdio: "ignore" },
    );
  }
}

function ethtoolProblem(): string | false {
  try {
    execFileSync("ethtool", ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    return "needs ethtool";
  }
}

const skip = rootProblem() || whyNoKernel() || ethtoolProblem() || false;

describe("packets that change their length on their way", { skip }, () => {
  const programs = new ModulePrograms();
  const attached: Attached[] = [];
  let server: ChildProcess | undefined;

  before(async () => {
    enterOwnNamespace();
    plug(CLIENT, "lan0", 1);
    plug(SERVER, "wan0", 2);
    execFileSync("sysctl", ["-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
    server = spawn("ip", ["netns", "exec", SERVER, process.execPath, "-e", ECHO], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    if (server.stdout !== null) await once(server.stdout, "data");
  });

  after(() => {
    detach();
    server?.kill();
    for (const name of [CLIENT, SERVER]) ip("netns", "delete", name);
  });

  function detach(): void {
    for (const { link, program, maps } of attached.splice(0)) {
      link.detach();
      program.close();
      for (const map of maps.values()) map.close();
    }
  }

  /** Attaches a script to one side of an interface. */
  function attach(text: string, kind: "tcx-ingress" | "tcx-egress", device: string): void {
    const { script, problems } = compileAt(programs.make(text), "f", {
      attach: kind,
      first: "network",
      onError: "drop",
    });
    assert.deepEqual(problems, []);
    if (script === undefined) return;
    const maps = new Map<string, KernelMap>();
    const program = new LinuxKernelPrograms().load(script.image, maps);
    const link = program.attach({ kind, interfaceIndex: native().interfaceIndex(device) });
    attached.push({ script, maps, program, link });
  }

  function ask(address: string, kind: "udp" | "tcp"): unknown {
    const out = execFileSync("ip", ["netns", "exec", CLIENT, process.execPath, "-e", ASK, address, kind]);
    return JSON.parse(out.toString());
  }

  for (const { name, top = "", push, pop, kinds, lengths = [5, 64, 333, 1000] } of CASES) {
    it(`${name}: pushed and popped, checksums complete and not, over IPv4 and IPv6`, () => {
      const [pushing, popping] = [push, pop].map((body) => scriptOf(body, top)) as [string, string];
      try {
        for (const [from, to] of [
          ["lan0", "wan0"],
          ["wan0", "lan0"],
        ] as const) {
          attach(pushing, "tcx-ingress", from);
          attach(popping, "tcx-egress", to);
        }
        for (const isOn of [false, true]) {
          offload(isOn);
          for (const address of ["10.98.2.2", "fd98:2::2"])
            for (const kind of kinds)
              assert.deepEqual(
                ask(address, kind),
                kind === "udp" ? lengths : [true],
                `${address} ${kind} ${isOn}`,
              );
        }
        for (const one of attached) assert.equal(countOf(one, "errors"), 0);
        const busy = attached.filter((one) => countOf(one, "counter done") > 0);
        assert.ok(busy.length >= (pop === "return;" ? 1 : 4), "nothing was done on one of the ways");
      } finally {
        detach();
      }
    });
  }
});
