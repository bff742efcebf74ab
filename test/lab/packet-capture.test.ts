/**
 * Captures on real traffic: what sockets send, beside tcpdump and its filters; worker threads that share flows; VLAN
 * tags; interfaces of other kinds and interfaces that go; and what is left behind.
 * @module
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import type { MetanetError } from "#base/errors.ts";
import { milliseconds } from "#base/time.ts";
import { assembleFilter } from "#flow/filter/assemble.ts";
import {
  ANY_INTERFACE,
  type CaptureFilter,
  CaptureForbiddenError,
  FanoutMismatchError,
  type PacketCaptureOptions,
  RING_BYTES_MIN,
} from "#io/packet-capture.ts";
import { LinuxPacketCapture } from "#linux/packet-ring.ts";
import { LinuxTun } from "#linux/tun.ts";
import { LinkType } from "#packet/link-type.ts";
import { CaptureReader } from "#wire/capture.ts";
import {
  bytesOf,
  eachPacket,
  eventually,
  FramePort,
  textFrame,
  textOf,
  udpFrame,
  waitUntilUp,
} from "./frame-lab.ts";
import { rootProblem } from "./own-namespace.ts";
import { CaptureNet, DEVICE, ECHO_PORT, FAR, ip, NEAR } from "./packet-capture-lab.ts";

interface Seen {
  readonly bytes: Uint8Array;
  readonly originalBytes: number;
  readonly milliseconds: number;
  readonly packetType: number;
  readonly linkType: number;
}

describe("LinuxPacketCapture on real traffic", { skip: rootProblem() }, () => {
  let net: CaptureNet;
  let folder: string;
  const open: { close(): void }[] = [];
  before(() => {
    net = new CaptureNet();
    folder = mkdtempSync(join(tmpdir(), "metanet-capture-"));
  });
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
  });
  after(() => {
    net.close();
    rmSync(folder, { recursive: true });
  });

  /** A capture that has begun, and what it has seen. */
  function capture(options: Partial<PacketCaptureOptions> = {}): { own: LinuxPacketCapture; seen: Seen[] } {
    const own = new LinuxPacketCapture({ interface: DEVICE, blockTimeout: milliseconds(2), ...options });
    open.push(own);
    const seen: Seen[] = [];
    own.start(
      eachPacket((packet) => {
        const { originalBytes, packetType, linkType } = packet;
        const time = packet.seconds * 1000 + packet.nanoseconds / 1_000_000;
        seen.push({ bytes: bytesOf(packet), originalBytes, milliseconds: time, packetType, linkType });
      }),
    );
    return { own, seen };
  }

  /** tcpdump on the device, which has begun. */
  async function startDump(
    file: string,
    ...words: string[]
  ): Promise<{ file: string; stop(): Promise<void> }> {
    const common = ["-i", DEVICE, "-w", file, "-U", "--immediate-mode", "-B", "16384"];
    const dump = spawn("tcpdump", [...common, ...words], { stdio: ["ignore", "ignore", "pipe"] });
    const ended = new Promise<void>((resolve) => dump.once("exit", () => resolve()));
    open.push({ close: () => dump.kill("SIGKILL") });
    let said = "";
    await new Promise<void>((resolve, reject) => {
      dump.stderr.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (said.includes("listening on")) resolve();
      });
      dump.once("exit", () => reject(new Error(said)));
    });
    return {
      file,
      stop: () => {
        dump.kill("SIGTERM");
        return ended;
      },
    };
  }

  const reaches = (seen: readonly unknown[], count: number): Promise<number> =>
    eventually(
      () => seen.length,
      (length) => length >= count,
    );

  const texts = (seen: readonly Seen[]): string[] =>
    seen.map(({ bytes }) => textOf({ bytes, offset: 0, capturedBytes: bytes.length } as never));

  it("sees of a TCP connection and of datagrams what tcpdump sees: bytes, lengths, times, each once", async () => {
    await net.startEcho();
    const file = join(folder, "all.pcap");
    const dump = await startDump(file);
    const { own, seen } = capture();
    const sent = new Uint8Array(randomBytes(300_000));
    assert.deepEqual(new Uint8Array(await net.echo(sent)), sent);
    const udp = createSocket("udp4");
    await new Promise<void>((resolve) => udp.bind(0, NEAR, () => resolve()));
    for (let index = 0; index < 20; index++) {
      const echoed = new Promise((resolve) => udp.once("message", resolve));
      udp.send(`datagram ${index}`, ECHO_PORT, FAR);
      assert.equal(String(await echoed), `datagram ${index}`);
    }
    udp.close();
    // What a neighbour asks (ARP) comes when it likes.
    const speech = (all: readonly Seen[]): Seen[] =>
      all.filter(({ bytes }) => bytes[23] === 6 || bytes[23] === 17);
    const ours = await eventually(
      () => speech(seen),
      (all) => all.filter(({ bytes }) => bytes[23] === 17).length === 40,
    );
    const theirs = await eventually(
      () => speech(readCapture(file)),
      (all) => all.length >= ours.length,
    );
    await dump.stop();
    assert.equal(own.statistics().droppedCount, 0);
    const keyOf = ({ bytes, originalBytes }: Seen): string =>
      `${originalBytes} ${Buffer.from(bytes).toString("hex")}`;
    assert.deepEqual(ours.map(keyOf).sort(), theirs.map(keyOf).sort());
    const times = new Map(theirs.map((one) => [keyOf(one), one.milliseconds]));
    for (const one of ours) {
      assert.ok(Math.abs(one.milliseconds - (times.get(keyOf(one)) ?? 0)) < 2000, "times are apart");
    }
    // Segments larger than the link allows come as the stack sends them.
    const stream = tcpBytes(ours, FAR);
    assert.deepEqual(stream, sent);
  });

  for (const expression of [
    "udp port 53",
    "not udp",
    "src host 10.0.0.1 and dst port 53",
    "udp[8] = 0x61",
    "less 60",
    "ip proto 17 and not port 53",
    "vlan 5",
    "vlan and udp",
    "ether proto 0x88b5",
    "broadcast or multicast",
  ]) {
    it(`a filter lets through what tcpdump's does: ${expression}`, async () => {
      const frames = [
        udpFrame("10.0.0.1:1000", "10.0.0.2:53", "a question"),
        udpFrame("10.0.0.2:53", "10.0.0.1:1000", "an answer"),
        udpFrame("10.0.0.3:7", "10.0.0.1:1000", "x".repeat(40)),
        textFrame("experiment", 64),
        textFrame("tagged", 64, [0x8100_0005]),
        withTag(udpFrame("10.0.0.1:1000", "10.0.0.2:53", "tagged"), 0x8100_0007),
      ];
      // The last frame passes every filter, and says that nothing else is to come.
      const whole = `udp port 9999 or (${expression})`;
      const dump = await startDump(join(folder, "filtered.pcap"), "-Q", "in", whole);
      const filter = (linkType: number): CaptureFilter =>
        assembleFilter(whole, { linkType, ancillaryVlan: true });
      const { seen } = capture({ filter, direction: "incoming" });
      net.send(...frames, udpFrame("10.0.0.9:9999", "10.0.0.9:9999", "end"));
      const isWhole = (all: readonly Seen[]): boolean => all.at(-1)?.bytes.length === 45;
      await eventually(() => seen, isWhole);
      const theirs = await eventually(() => readCapture(dump.file), isWhole);
      await dump.stop();
      const hex = (all: readonly Seen[]): string[] =>
        all.map(({ bytes }) => Buffer.from(bytes).toString("hex"));
      assert.deepEqual(hex(seen), hex(theirs));
      assert.ok(isWhole(seen));
    });
  }

  it("two worker threads of a fan-out group see each flow on one side only, both ways", async () => {
    await net.startEcho();
    const program = new URL("./packet-capture-worker.ts", import.meta.url);
    const workers = [0, 1].map(() => new Worker(program, { workerData: { device: DEVICE, group: 5 } }));
    try {
      await Promise.all(workers.map((worker) => once(worker)));
      const udp = createSocket("udp4");
      await Promise.all(Array.from({ length: 30 }, (_, index) => net.echo(Buffer.from(`flow ${index}`))));
      for (let index = 0; index < 10; index++) {
        const answered = new Promise((resolve) => udp.once("message", resolve));
        udp.send("x", ECHO_PORT, FAR);
        await answered;
      }
      udp.close();
      const ask = async (): Promise<Record<string, number>[]> => {
        const answers = workers.map((worker) => once(worker));
        for (const worker of workers) worker.postMessage("flows");
        return (await Promise.all(answers)) as Record<string, number>[];
      };
      let [left = {}, right = {}] = await ask();
      const end = Date.now() + 10_000;
      const waysSeen = (): number =>
        [left, right].flatMap(Object.values).reduce((sum, ways) => sum + ways, 0);
      while (waysSeen() < 31 * 3 && Date.now() < end) {
        [left = {}, right = {}] = await ask();
      }
      const flows = [...Object.keys(left), ...Object.keys(right)];
      assert.equal(new Set(flows).size, 31);
      assert.equal(flows.length, 31, "a flow is on both sides");
      for (const ways of [...Object.values(left), ...Object.values(right)]) assert.equal(ways, 3);
      assert.ok(Object.keys(left).length > 2 && Object.keys(right).length > 2, flows.join("\n"));
    } finally {
      for (const worker of workers) await worker.terminate();
    }
    assert.equal(await eventually(packetSocketCount, (count) => count === 0), 0, "a worker left its socket");
  });

  it("frames with one tag and with two are as on the wire, and cooked ones have the outer tag", async () => {
    const frames = [
      textFrame("single", 64, [0x8100_6005]),
      textFrame("double", 64, [0x88a8_0064, 0x8100_0007]),
      textFrame("priority", 64, [0x8100_e000]),
    ];
    const { seen } = capture({ direction: "incoming" });
    const cooked = capture({ interface: ANY_INTERFACE, direction: "incoming" });
    const record: number[][] = [];
    const own = new LinuxPacketCapture({
      interface: DEVICE,
      blockTimeout: milliseconds(2),
      direction: "incoming",
      vlanTags: "record",
    });
    open.push(own);
    own.start(eachPacket(({ vlanTag, vlanProtocol }) => void record.push([vlanProtocol, vlanTag])));
    net.send(...frames);
    await reaches(seen, 3);
    await reaches(record, 3);
    await reaches(cooked.seen, 3);
    assert.deepEqual(
      seen.map(({ bytes }) => bytes),
      frames,
    );
    assert.deepEqual(record, [
      [0x8100, 0x6005],
      [0x88a8, 0x64],
      [0x8100, 0xe000],
    ]);
    // LINKTYPE_LINUX_SLL2 with the tag behind the header.
    for (const [index, { bytes, originalBytes }] of cooked.seen.entries()) {
      assert.deepEqual(bytes.subarray(0, 2), frames[index]?.subarray(12, 14));
      if (index !== 1) assert.deepEqual(bytes.subarray(20), frames[index]?.subarray(14));
      assert.equal(originalBytes, 20 + 50);
    }
  });

  it('"any" sees every interface, the loopback once, behind a header that says which', async () => {
    const wanted = (linkType: number): CaptureFilter => {
      assert.equal(linkType, LinkType.raw);
      return assembleFilter("udp port 7777", { linkType });
    };
    const { own, seen } = capture({ interface: ANY_INTERFACE, filter: wanted });
    assert.deepEqual([own.linkType, own.filterLinkType], [LinkType.linuxCooked2, LinkType.raw]);
    const udp = createSocket("udp4");
    const send = (text: string, to: string): Promise<void> =>
      new Promise((resolve) => udp.send(text, 7777, to, () => resolve()));
    await send("to myself", "127.0.0.1");
    await send("to the other", FAR);
    net.send(udpFrame(`${FAR}:7777`, `${NEAR}:7777`, "from the other"));
    await reaches(seen, 3);
    udp.close();
    const indexOf = (name: string): number => Number(ip(`-o link show ${name}`).split(":")[0]);
    assert.deepEqual(
      seen.map(({ bytes, packetType }) => {
        const view = new DataView(bytes.buffer);
        assert.deepEqual([view.getUint16(0), view.getUint8(10)], [0x0800, packetType]);
        return [view.getInt32(4), view.getUint16(8), packetType, Buffer.from(bytes.subarray(48)).toString()];
      }),
      [
        [indexOf("lo"), 772, 0, "to myself"],
        [indexOf(DEVICE), 1, 4, "to the other"],
        [indexOf(DEVICE), 1, 1, "from the other"],
      ],
    );
  });

  it("a device without a link layer gives raw IP packets", async () => {
    const tun = new LinuxTun({ mode: "tun", name: "raw0" });
    open.push(tun);
    const { own, seen } = capture({ interface: "raw0" });
    const packet = udpFrame("10.5.0.1:1", "10.5.0.2:2", "raw").subarray(14);
    assert.equal(tun.write(packet), true);
    await reaches(seen, 1);
    assert.equal(own.linkType, LinkType.raw);
    assert.deepEqual(seen[0]?.bytes, packet);
  });

  it("promiscuous lasts as long as the capture, and two may be so at once", () => {
    const flags = (): number => Number(/promiscuity (\d+)/.exec(ip(`-d link show ${DEVICE}`))?.[1]);
    assert.equal(flags(), 0);
    const [left, right] = [capture({ promiscuous: true }), capture({ promiscuous: true })];
    assert.equal(flags(), 2);
    left.own.close();
    assert.equal(flags(), 1);
    right.own.close();
    assert.equal(flags(), 0);
  });

  it("a reader that stalls loses packets, and the count says how many", async () => {
    const { own, seen } = capture({ ringBytes: RING_BYTES_MIN, direction: "incoming" });
    const frames = Array.from({ length: 2000 }, (_, index) => textFrame(`p${index}`, 1000));
    for (const frame of frames) net.send(frame);
    await eventually(
      () => own.statistics(),
      ({ receivedCount, droppedCount }) => receivedCount + droppedCount === 2000,
    );
    const { receivedCount, droppedCount, freezeCount } = own.statistics();
    assert.equal(receivedCount + droppedCount, 2000);
    assert.ok(droppedCount > 1000 && freezeCount > 0, `${droppedCount} dropped, ${freezeCount} freezes`);
    assert.deepEqual(
      texts(seen),
      Array.from({ length: receivedCount }, (_, index) => `p${index}`),
    );
  });

  it("close() leaves no socket, no descriptor and no memory", async () => {
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    const mappings = (): number => readFileSync("/proc/self/maps", "utf8").split("socket:").length - 1;
    const before = [packetSocketCount(), descriptors(), mappings()];
    for (let round = 0; round < 16; round++) {
      const { own } = capture({ ringBytes: RING_BYTES_MIN, fanout: { group: 9, mode: "hash" } });
      net.send(textFrame("x"));
      if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      own.close();
      assert.deepEqual([packetSocketCount(), mappings()], [before[0], before[2]]);
    }
    assert.equal(await eventually(descriptors, (count) => count === before[1]), before[1]);
  });

  it("an interface that goes down is reported, and seen again when it is up; so is one that goes away", async () => {
    ip("link add gone0 type veth peer name gone1");
    ip("link set gone0 up");
    ip("link set gone1 up");
    waitUntilUp(["gone0", "gone1"]);
    const { own, seen } = capture({ interface: "gone0" });
    const troubles: MetanetError[] = [];
    own.onTrouble((error) => troubles.push(error));
    ip("link set gone0 down");
    await reaches(troubles, 1);
    assert.match(troubles[0]?.message ?? "", /^Cannot capture on gone0: ENETDOWN, the interface is down/);
    ip("link set gone0 up");
    waitUntilUp(["gone0", "gone1"]);
    const port = new FramePort("gone1");
    port.send(textFrame("again"));
    await eventually(
      () => texts(seen).includes("again"),
      (isThere) => isThere,
    );
    port.close();
    assert.ok(texts(seen).includes("again"));
    troubles.length = 0;
    ip("link delete gone0");
    await reaches(troubles, 1);
    assert.ok(troubles.length > 0);
    own.close();
  });

  it("a group on another interface, a program that is none and missing capabilities say what to do", () => {
    capture({ fanout: { group: 11, mode: "hash" } });
    assert.throws(
      () => capture({ interface: "lo", fanout: { group: 11, mode: "hash" } }),
      FanoutMismatchError,
    );
    const endless = [{ code: 0x30, jumpTrue: 0, jumpFalse: 0, constant: 0 }];
    assert.throws(() => capture({ filter: endless }), /the kernel refuses the filter's 1 instructions/);
    const words = ["--bounding-set=-net_raw,-net_admin", "--inh-caps=-net_raw,-net_admin", process.execPath];
    const program = join(import.meta.dirname, "packet-capture-child.ts");
    const { stdout, stderr } = spawnSync("setpriv", [...words, program], { encoding: "utf8" });
    const [first = "", second = ""] = stdout.split("\n");
    assert.match(first, /^capture-forbidden: Cannot capture on lo: .*CAP_NET_RAW/, stderr);
    assert.match(second, /^tun-forbidden: Cannot make the device tun%d: .*CAP_NET_ADMIN/, stderr);
    assert.equal(new CaptureForbiddenError("x").code, "capture-forbidden");
  });
});

/** Packet sockets of this namespace. */
function packetSocketCount(): number {
  return readFileSync("/proc/self/net/packet", "utf8").trim().split("\n").length - 1;
}

function once(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

/** What is whole of a pcap file. */
function readCapture(file: string): Seen[] {
  const reader = new CaptureReader();
  reader.push(readFileSync(file));
  const all: Seen[] = [];
  while (reader.next()) {
    const { record } = reader;
    const { originalBytes, linkType } = record;
    const time = record.seconds * 1000 + record.nanoseconds / 1_000_000;
    const copy = record.bytes.slice(record.offset, record.offset + record.capturedBytes);
    all.push({ bytes: new Uint8Array(copy), originalBytes, milliseconds: time, packetType: 0, linkType });
  }
  return all;
}

function withTag(frame: Uint8Array, tag: number): Uint8Array {
  const tagged = new Uint8Array(frame.length + 4);
  tagged.set(frame.subarray(0, 12));
  new DataView(tagged.buffer).setUint32(12, tag);
  tagged.set(frame.subarray(12), 16);
  return tagged;
}

/** The bytes of the only TCP stream towards a host, put in order by their sequence numbers. */
function tcpBytes(seen: readonly Seen[], target: string): Uint8Array {
  const address = target.split(".").map(Number);
  let first: number | undefined;
  const all = new Uint8Array(300_000);
  for (const { bytes } of seen) {
    if (bytes[23] !== 6 || !address.every((byte, index) => bytes[30 + index] === byte)) continue;
    const view = new DataView(bytes.buffer);
    const sequence = view.getUint32(38);
    if ((view.getUint8(47) & 2) !== 0) first = (sequence + 1) >>> 0;
    const payload = bytes.subarray(34 + (view.getUint8(46) >> 4) * 4, 14 + view.getUint16(16));
    if (first !== undefined && payload.length > 0) all.set(payload, (sequence - first) >>> 0);
  }
  return all;
}
