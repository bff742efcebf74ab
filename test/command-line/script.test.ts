/**
 * `metanet script new`, `check` and `test`, as their users run them.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { readCapture } from "#app/capture-file.ts";
import { build } from "#packet/build.ts";
import { ethernet } from "#packet/ethernet.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { Packet } from "#packet/packet.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import { verifyChecksum } from "#packet/verify.ts";
import { PcapWriter } from "#wire/pcap-writer.ts";
import { CAPTURES, capturesSkipped } from "../support/captures.ts";
import { LAUNCHER, type Outcome, ROOT, run } from "./metanet-command.ts";

/** The thesis's listing 4.1, line by line. */
const NAT = `
import { drop, ethernet, ipv4, type Packet, verdict } from "metanet/script";

// Translating the source address for outgoing packets
export function snat(packet: Packet) {
  const ip = packet.payload(ethernet)?.payload(ipv4);
  if (!ip) return drop;
  ip.source = "10.0.0.1";
  return verdict.continue;
}

// Translating destination address for incoming packets
export function dnat(packet: Packet) {
  const ip = packet.payload(ethernet)?.payload(ipv4);
  if (!ip) return drop;
  ip.destination = "192.168.0.2";
  return verdict.continue;
}
`;

const MANY = `
import { accept, build, type Context, delayed, drop, ipv4, later, milliseconds, type Packet, seconds, tcp, udp, verdict } from "metanet/script";
import { port } from "./port.ts";

export function look(packet: Packet) { return packet.find(tcp)?.destinationPort === port ? drop : undefined; }
export function throws(packet: Packet) {
  if (packet.find(ipv4)) packet.find(ipv4)!.source = 0;
  throw new TypeError("no");
}
let count = 0;
export function loops() { if (++count === 2) {
  for (;;) count++;
} }
const all: unknown[] = [];
export function eats() { for (;;) all.push(new Array(1000).fill(count++)); }
export function exits() { process.exit(4); }
export function nonsense() { return "yes" as never; }
export function holds() { return delayed(milliseconds(1500), drop); }
export async function waits() { await new Promise((resolve) => setTimeout(resolve, 1500)); return accept; }
export function never() { return later(new Promise<never>(() => undefined), milliseconds(20)); }
export function marks(packet: Packet) { packet.mark = 7; return verdict.queue(3); }
export function sends(_: Packet, { send }: Context) {
  const header = ipv4.header({ source: "192.0.2.1", destination: "192.0.2.2" });
  send(build(header, udp.header({ sourcePort: 1, destinationPort: 2 }), new Uint8Array(3)), { delay: milliseconds(500) });
}
export function endless(_: Packet, { defer }: Context) {
  const again = (): void => void defer(again, { delay: seconds(60) });
  again();
}
export function talks(_: Packet, { log, counter, random }: Context) { log(String(random())); counter("seen").add(); }
export function left() { void Promise.reject(new Error("alone")); }
`;

const WATCH = `import { ipv4, type Packet, tcp } from "metanet/script";
export function watch(packet: Packet) { packet.headers(); packet.find(tcp); packet.find(ipv4); }
`;

let folder = "";
const inFolder = (name: string): string => join(folder, name);
const script = (...args: string[]): Promise<Outcome> => run(folder, ["script", ...args]);
const lines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

/** Two segments and a datagram over Ethernet, a second apart. */
function smallCapture(): Uint8Array {
  const writer = new PcapWriter({ linkType: 1 });
  const headers = [
    [tcp.header({ sourcePort: 1000, destinationPort: 80 })],
    [tcp.header({ sourcePort: 1000, destinationPort: 443 })],
    [udp.header({ sourcePort: 1000, destinationPort: 53 })],
  ] as const;
  for (const [index, [header]] of headers.entries()) {
    const bytes = build(
      ethernet.header({ source: "02:00:00:00:00:01", destination: "02:00:00:00:00:02" }),
      ipv4.header({ source: "172.16.0.5", destination: "198.51.100.7" }),
      header,
      Uint8Array.of(1, 2, 3),
    ).toBytes();
    const { length } = bytes;
    const time = { seconds: 1_700_000_000 + index, nanoseconds: 5 };
    writer.write({ ...time, bytes, offset: 0, capturedBytes: length, originalBytes: length });
  }
  return writer.take();
}

interface Read {
  readonly linkType: number;
  readonly time: string;
  readonly bytes: Uint8Array;
}

async function packetsOf(path: string): Promise<Read[]> {
  const capture = await readCapture(path);
  const found: Read[] = [];
  try {
    while (await capture.more()) {
      while (capture.next()) {
        const { linkType, seconds, nanoseconds, bytes, offset, capturedBytes } = capture.record;
        found.push({
          linkType,
          time: `${seconds}.${nanoseconds}`,
          bytes: bytes.slice(offset, offset + capturedBytes),
        });
      }
    }
  } finally {
    await capture.close();
  }
  return found;
}

describe("metanet script", { concurrency: 2 }, () => {
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "mn-"));
    writeFileSync(inFolder("nat.ts"), NAT);
    writeFileSync(inFolder("many.ts"), MANY);
    writeFileSync(inFolder("watch.ts"), WATCH);
    writeFileSync(inFolder("port.ts"), "export const port: number = 80;\n");
    writeFileSync(inFolder("small.pcap"), smallCapture());
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("new writes a script that the compiler and `script check` take", async () => {
    const first = await script("new", inFolder("first/filter.ts"), "-f", "no_telnet");
    assert.match(first.err, /there is no folder .*first; make it first/);
    const made = await script("new", inFolder("filter.ts"), "--function", "no_telnet");
    assert.equal(made.code, 0, made.err);
    const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
    writeFileSync(inFolder("only.json"), '{ "extends": "./tsconfig.json", "files": ["filter.ts"] }');
    const compiled = spawnSync(process.execPath, [compiler, "-p", inFolder("only.json")], {
      encoding: "utf8",
    });
    assert.equal(compiled.status, 0, compiled.stdout);
    const checked = await script("check", inFolder("filter.ts"));
    assert.equal(checked.code, 0, checked.out);
    assert.match(checked.out, /no_telnet .*filter\.ts:\d+\n {2}only reads packets/);
    const text = readFileSync(inFolder("filter.ts"), "utf8");
    const again = await script("new", inFolder("filter.ts"));
    assert.equal(again.code, 1);
    assert.match(again.err, /it is there already, and nothing is overwritten/);
    assert.equal(readFileSync(inFolder("filter.ts"), "utf8"), text);
  });

  const usage: [args: string, code: number, said: RegExp][] = [
    ["new x.js", 2, /the name of a new script ends in \.ts/],
    ["new x.ts -f 1x", 2, /it is no name for a function/],
    ["test nat.ts", 2, /required option '-c, --capture <FILE>'/],
    ["test nat.ts -c small.pcap --hook nowhere", 2, /Cannot use --hook nowhere: it takes prerouting or/],
    ["test nat.ts -c small.pcap --on-error repeat", 2, /it takes drop or accept/],
    ["test nat.ts -c small.pcap --json --write -", 2, /both go to standard output/],
    ["check nowhere.ts", 1, /there is no such file/],
    ["test nat.ts -f snat -c nowhere.pcap", 1, /Cannot read .*nowhere\.pcap: there is no such file/],
    ["test nat.ts -f snat -c nat.ts", 1, /Cannot read .*nat\.ts/],
    ["test nat.ts -f snap -c small.pcap", 1, /did you mean snat\?/],
    ["test nat.ts -c small.pcap", 1, /no function was named, and it has no default export/],
    ["test nat.ts -f snat -c small.pcap --write /nowhere/x.pcap", 1, /Cannot write \/nowhere\/x\.pcap/],
  ];
  for (const [args, code, said] of usage) {
    it(`${args} exits with ${code}`, async () => {
      const words = args
        .split(" ")
        .map((word) => (/^(nat|small|nowhere)\./.test(word) ? inFolder(word) : word));
      const outcome = await script(...words);
      assert.equal(outcome.code, code, outcome.out + outcome.err);
      assert.match(outcome.out + outcome.err, said);
    });
  }

  it("check tells what each function needs, with the places", async () => {
    const { code, out } = await script("check", inFolder("nat.ts"), "--json");
    assert.equal(code, 0, out);
    const report = JSON.parse(out);
    assert.deepEqual(
      report.functions.map(({ name, line, needs }: never) => ({ name, line, needs })),
      ["dnat", "snat"].map((name) => ({
        name,
        line: name === "snat" ? 5 : 13,
        needs: { isWriting: true, readBytes: 65_535, connection: false },
      })),
    );
    assert.equal(report.functions[1].uses[0].line, 8);
  });

  const wrong: [name: string, text: string, said: RegExp][] = [
    [
      "types",
      'import type { Packet } from "metanet/script";\nexport function f(p: Packet) { p.marc = 1; }\n',
      /wrong\.ts:2:\d+ - error TS2339: Property 'marc' does not exist on type 'Packet'/,
    ],
    [
      "a verdict that is none",
      'import type { Packet } from "metanet/script";\nexport function f(p: Packet) { return p.lengthBytes; }\n',
      /wrong\.ts:2:1 - error: f: what it returns is no verdict: .*number/,
    ],
    [
      "no function of a packet",
      "export function f(text: string) { return text; }\n",
      /it exports no function of a packet; f: its parameters/,
    ],
    [
      "a loop",
      "\nlet i = 0;\nwhile (true) i++;\n",
      /it was not done loading after 5 s; it stands at wrong\.ts:3:/,
    ],
    [
      "memory",
      "const all: unknown[] = [];\nfor (;;) all.push(new Array(1000).fill(1.5));\n",
      /it took more than 256 MB of memory/,
    ],
    [
      "memory outside of the heap",
      "const all: unknown[] = [];\nfor (;;) all.push(new Uint8Array(1e7).fill(1));\n",
      /it took more than 1000 MB of memory/,
    ],
    ["an end", "process.exit(3);\n", /it ended its process with 3/],
    [
      "a wait for what never comes",
      "await new Promise(() => {});\n",
      /waits at its top level for what never comes/,
    ],
  ];
  for (const [name, text, said] of wrong) {
    it(`check finds ${name}`, async () => {
      const own = mkdtempSync(join(folder, "w-"));
      writeFileSync(join(own, "wrong.ts"), text);
      const { code, out } = await script("check", join(own, "wrong.ts"));
      assert.equal(code, 1, out);
      assert.match(out, said);
    });
  }

  it("test runs the thesis's listing 4.1, and the checksums hold", async () => {
    const args = ["-c", inFolder("small.pcap"), "--write", inFolder("snat.pcap"), "--json"];
    const { code, out } = await script("test", inFolder("nat.ts"), "-f", "snat", ...args);
    assert.equal(code, 0);
    const [first, , , sum] = lines(out);
    assert.deepEqual(first, {
      packet: 1,
      time: 1_700_000_000,
      length: 57,
      verdict: "continue",
      changed: true,
    });
    assert.match(out, /"time":1700000000\.000000005,/);
    assert.equal((sum?.summary as { changed?: number } | undefined)?.changed, 3);
    const packets = await packetsOf(inFolder("snat.pcap"));
    assert.equal(packets.length, 3);
    for (const { bytes, linkType } of packets) {
      assert.equal(linkType, 1);
      const packet = new Packet().aim(new DataView(bytes.buffer), 0, bytes.length, -1);
      const ip = packet.find(ipv4);
      assert.ok(ip);
      assert.equal(ip.source, 0x0a00_0001);
      for (const view of packet.headers()) {
        if (view.$of.checksum) assert.equal(verifyChecksum(view), "good");
      }
    }
  });

  it("test shows packets from the IP header at a hook, and puts back what stood in front", async () => {
    const nat = NAT.replaceAll("payload(ethernet)?.", "");
    writeFileSync(inFolder("hook.ts"), nat.replace("ethernet, ", ""));
    const args = ["-c", inFolder("small.pcap"), "-H", "prerouting", "--write", inFolder("dnat.pcap")];
    const { code, out } = await script("test", inFolder("hook.ts"), "-f", "dnat", ...args);
    assert.equal(code, 0, out);
    assert.match(out, /verdicts {3}continue 3\n {2}changed {4}3\n/);
    const [before_, after_] = [
      await packetsOf(inFolder("small.pcap")),
      await packetsOf(inFolder("dnat.pcap")),
    ];
    for (const [index, { bytes }] of after_.entries()) {
      assert.deepEqual(bytes.subarray(0, 14), before_[index]?.bytes.subarray(0, 14));
      assert.deepEqual([...bytes.subarray(30, 34)], [192, 168, 0, 2]);
    }
  });

  it("test obeys the options of a script that does not look into tunnels", async () => {
    const headers = [ethernet.header({}), ipv4.header({}), ipv4.header({}), udp.header({})];
    const bytes = build(...headers).toBytes();
    const { length } = bytes;
    const writer = new PcapWriter({ linkType: 1 });
    const time = { seconds: 1_700_000_000, nanoseconds: 5 };
    writer.write({ ...time, bytes, offset: 0, capturedBytes: length, originalBytes: length });
    writeFileSync(inFolder("tunnel.pcap"), writer.take());
    for (const tunnels of [true, false]) {
      const text = `import { drop, type Packet, udp } from "metanet/script";
export const options = { tunnels: ${tunnels} };
export const look = (packet: Packet) => (packet.find(udp) ? drop : undefined);
`;
      writeFileSync(inFolder(`tunnels-${tunnels}.ts`), text);
      const args = ["-f", "look", "-c", inFolder("tunnel.pcap")];
      const { out } = await script("test", inFolder(`tunnels-${tunnels}.ts`), ...args);
      assert.match(out, tunnels ? /verdicts {3}drop 1\n/ : /verdicts {3}continue 1\n/);
    }
  });

  const played: [name: string, code: number, said: RegExp, more?: string][] = [
    ["look", 0, /verdicts {3}drop 1, continue 2\n/],
    ["throws", 1, /errors {5}3\n {4}3 × threw at many\.ts:8:9: TypeError: no/],
    ["throws", 1, /verdicts {3}drop 3\n/, "--on-error drop"],
    [
      "loops",
      1,
      /did not come back from packet 2 within 0\.3 s, it stands at many\.ts:12:\d+; end the loop/,
      "--time-limit 300ms",
    ],
    ["eats", 1, /it took more than 512 MB of memory/, "--time-limit 1m"],
    ["exits", 1, /its process ended with 4/],
    ["nonsense", 1, /3 × nonsense at nonsense: answered "yes", which is no verdict/],
    ["holds", 0, /verdicts {3}drop 3\n {2}held {7}3\n/],
    ["never", 1, /3 × timed-out at never: no verdict before the deadline/],
    ["marks", 0, /verdicts {3}queue 3\n/],
    ["sends", 0, /sent {7}3\n/],
    ["endless", 0, /not everything that was put off was done 10 minutes after the last packet/],
    ["talks", 0, /counter {4}seen 3\n/],
    ["left", 1, /3 × threw at many\.ts:\d+:\d+: Error: alone/],
  ];
  for (const [name, code, said, more] of played) {
    it(`test plays ${name}${more ? ` ${more}` : ""}`, async () => {
      const words = more?.split(" ") ?? [];
      const out = inFolder(`${name}${more ?? ""}.pcap`);
      const args = ["-f", name, "-c", inFolder("small.pcap"), "--write", out, ...words];
      const outcome = await script("test", inFolder("many.ts"), ...args);
      assert.equal(outcome.code, code, outcome.out + outcome.err);
      assert.match(outcome.out + outcome.err, said);
      assert.deepEqual(
        readdirSync(folder).filter((file) => file.endsWith(".next") && file.startsWith(name)),
        [],
      );
      const whole = await packetsOf(inFolder("small.pcap"));
      // The script failed after it had written: the packets go on as they came.
      if (name === "throws" && more === undefined) assert.deepEqual(await packetsOf(out), whole);
    });
  }

  it("test keeps the order of the capture's clock", async () => {
    const json = async (name: string): Promise<Record<string, unknown>[]> => {
      const args = ["-f", name, "-c", inFolder("small.pcap"), "--json", "--seed", "3"];
      return lines((await script("test", inFolder("many.ts"), ...args)).out);
    };
    const waits = await json("waits");
    assert.deepEqual(
      waits.slice(0, 3).map(({ packet, verdict, held, time }) => [packet, verdict, held, time]),
      [1, 2, 3].map((packet) => [packet, "accept", 1.5, 1_700_000_000.5 + packet]),
    );
    const sends = await json("sends");
    assert.deepEqual(
      sends.map((line) => line.packet ?? (line.sent ? "sent" : "sum")),
      [1, "sent", 2, "sent", 3, "sent", "sum"],
    );
    assert.equal(sends[1]?.time, 1_700_000_000.5);
    const [first, second] = [await json("talks"), await json("talks")];
    assert.deepEqual(first, second);
  });

  it("test reads gzip from a pipe and writes a capture into one", async () => {
    const command = `"$0" "$1" script test "$2" -f sends -c - --write -`;
    const args = ["-c", command, process.execPath, LAUNCHER, inFolder("many.ts")];
    const input = gzipSync(readFileSync(inFolder("small.pcap")));
    const { stdout, stderr, status } = spawnSync("sh", args, { input });
    assert.equal(status, 0, String(stderr));
    writeFileSync(inFolder("piped.pcap"), stdout);
    const packets = await packetsOf(inFolder("piped.pcap"));
    assert.equal(packets.length, 6);
    // What is sent is a frame of the capture's kind.
    assert.deepEqual([...(packets[1]?.bytes.subarray(12, 15) ?? [])], [8, 0, 0x45]);
  });

  it("test ends quietly when nobody reads on", () => {
    const command = `"$0" "$1" script test "$2" -f look -c "$3" --json | true`;
    const args = ["-c", command, process.execPath, LAUNCHER, inFolder("many.ts"), inFolder("small.pcap")];
    assert.equal(spawnSync("sh", args, { encoding: "utf8" }).stderr, "");
  });

  const CHOSEN: readonly string[] = [
    "tcpflow/airsnort-linux-browser_page_load.pcap",
    "tcpflow/bug8.pcap",
    "tcpflow/image2.pcap",
    "tcpflow/local.pcap",
    "tcpflow/test4.pcap",
    "gopacket/linux_sll_oversized_addr.pcapng",
    "gopacket/test006.pcapng",
    "gopacket/test100.pcapng",
    "tcpdump/LINKTYPE_RAW_ipv6.pcap",
    "tcpdump/LINKTYPE_IPV4_invalid.pcap",
    "tcpdump/LINKTYPE_IPV6.pcap",
    "tcpdump/HDLC.pcap",
    "tcpdump/OSPFv3_NBMA_adjacencies.pcap",
    "tcpdump/RADIUS-RFC4675.pcap",
    "tcpdump/icmp-rfc5837.pcap",
    "tcpdump/ppp_ip_udp_dns.pcap",
    "tcpdump/dns-badcookie.pcap",
    "tcpdump/hdlc_slarp.pcapng",
    "tcpdump/vsock-1.pcapng",
    "tcpdump/nflog.pcap",
    "ndpi/openwire.pcapng",
    "ndpi/pfcp.pcapng",
  ];
  for (const name of CHOSEN) {
    it(`test plays ${name}, and what nobody touches stays as it is`, { skip: capturesSkipped }, async () => {
      const out = inFolder(name.replace("/", "-"));
      const capture = join(CAPTURES, name);
      const args = ["-f", "watch", "-c", capture, "--write", out, "--json"];
      const { code, out: said, err } = await script("test", inFolder("watch.ts"), ...args);
      assert.equal(code, 0, err);
      const packets = await packetsOf(capture);
      assert.equal(lines(said).length, packets.length + 1);
      assert.deepEqual(await packetsOf(out), packets);
    });
  }
});
