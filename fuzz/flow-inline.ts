/**
 * An engine on the way of a few ends that say anything, with a monitor that edits streams, sends, drops and resets at
 * any time.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MetanetError } from "#base/errors.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import { FlowEngine } from "#flow/engine.ts";
import type { Flow } from "#flow/flow.ts";
import { LayerDecoder } from "#flow/layers/decode.ts";
import { IpProtocol, Layers } from "#flow/layers/layers.ts";
import type { FlowLimits, FlowPolicy } from "#flow/policy.ts";
import type { Side } from "#flow/side.ts";
import { LinkType } from "#packet/link-type.ts";
import { Packet } from "#packet/packet.ts";
import { tcp } from "#packet/tcp.ts";
import { verifyChecksum } from "#packet/verify.ts";
import { type Act, act, packetsOf } from "./flow-packets.ts";
import { main, type Target } from "./target.ts";

/** What the monitor does when it is told something for the so-manieth time. */
interface Deed {
  readonly event: number;
  readonly what: "insert" | "remove" | "replace" | "send" | "drop" | "reset" | "read" | "stop";
  /** From the first byte that was told of. */
  readonly offset: number;
  readonly lengthBytes: number;
  readonly insertedBytes: number;
  readonly isOther: boolean;
}

interface Life {
  readonly first: number;
  readonly policy: Partial<FlowPolicy>;
  readonly limits: Partial<FlowLimits>;
  readonly acts: readonly Act[];
  readonly deeds: readonly Deed[];
}

const life = fc.record<Life>({
  first: fc.constantFrom(1000, 2 ** 31 - 20, 2 ** 32 - 20),
  policy: fc.record({
    overlap: fc.constantFrom("first", "last", "bsd", "linux", "windows"),
    midstream: fc.constantFrom("off", "on", "guess"),
    conflict: fc.constantFrom("report", "rewrite", "drop"),
    window: fc.constantFrom("advertised", "ignore"),
    checksums: fc.constantFrom("verify", "trust"),
    unseen: fc.constantFrom("infer", "refuse"),
  }),
  limits: fc.record({
    flowCountMax: fc.integer({ min: 1, max: 3 }),
    full: fc.constantFrom("evict", "refuse"),
    overrun: fc.constantFrom("oldest", "newest", "stop"),
    streamBytesMax: fc.constantFrom(2048, 1 << 20),
    totalBytesMax: fc.constantFrom(4096, 1 << 20),
    segmentCountMax: fc.constantFrom(2, 64),
  }),
  acts: fc.array(
    act.map((one): Act => ({ ...one, kind: "tcp", cutBytes: 0, fragment: undefined })),
    { maxLength: 40 },
  ),
  deeds: fc.array(
    fc.record<Deed>({
      event: fc.oneof(fc.nat(8), fc.nat(60)),
      what: fc.constantFrom(
        "insert",
        "remove",
        "replace",
        "replace",
        "send",
        "drop",
        "reset",
        "read",
        "stop",
      ),
      offset: fc.oneof(fc.nat(3), fc.integer({ min: -3, max: 20 })),
      lengthBytes: fc.oneof(fc.nat(2), fc.nat(12)),
      insertedBytes: fc.oneof({ weight: 5, arbitrary: fc.nat(12) }, { weight: 1, arbitrary: fc.nat(3000) }),
      isOther: fc.constantFrom(false, false, true),
    }),
    { maxLength: 12 },
  ),
});

function does(flow: Flow, sender: Side, at: number, deed: Deed): void {
  const end = deed.isOther ? flow.end(sender === "client" ? "server" : "client") : flow.end(sender);
  const bytes = new Uint8Array(deed.insertedBytes).fill(0x61);
  const offset = at + deed.offset;
  if (deed.what === "insert") end.insert(offset, bytes);
  else if (deed.what === "remove") end.remove(offset, deed.lengthBytes);
  else if (deed.what === "replace") end.replace(offset, deed.lengthBytes, bytes);
  else if (deed.what === "send") end.send(bytes);
  else if (deed.what === "drop") flow.drop();
  else if (deed.what === "reset") flow.reset();
  else if (deed.what === "stop") flow.stop(sender);
  else end.read();
}

/** What is said before anything else: most deeds need a connection. */
const QUIET = {
  kind: "tcp",
  client: 0,
  acknowledgement: 1,
  lengthBytes: 0,
  window: 65_535,
  timestamp: -1,
  urgent: 0,
  lie: 0,
  milliseconds: 1,
  cutBytes: 0,
  fragment: undefined,
} as const;
const HANDSHAKE: readonly Act[] = [
  { ...QUIET, isServer: false, sequence: 0, acknowledgement: 0, flags: 0x02 },
  { ...QUIET, isServer: true, sequence: 0, flags: 0x12 },
  { ...QUIET, isServer: false, sequence: 1, flags: 0x10 },
];

/** A monitor that does what is to be done. */
function edit(engine: FlowEngine, deeds: readonly Deed[]): void {
  const monitor = engine.monitor({ name: "editor", edits: true });
  let count = 0;
  const told = (flow: Flow, sender: Side, offset: number): void => {
    const now = count++;
    for (const deed of deeds) if (deed.event === now) does(flow, sender, offset, deed);
  };
  monitor.on("newData", "none", (flow, { sender, offset }) => told(flow, sender, offset));
  monitor.on("stateChange", "receiver", (flow, { sender }) =>
    told(flow, sender, flow.end(sender).nextOffset),
  );
  monitor.on("retransmission", "receiver", (flow, { sender, offset }) => told(flow, sender, offset));
  monitor.on("gap", "none", (flow, { sender, offset }) => told(flow, sender, offset));
  monitor.on("connectionEnd", "none", (flow, { sender }) => told(flow, sender, 0));
}

const decoder = new LayerDecoder({
  tunnels: false,
  key: { vlan: false, tunnel: false },
  verifyIpChecksum: true,
});

/** What leaves is a packet that its receiver takes. */
function assertWhole(bytes: Uint8Array): void {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  const layers = new Layers();
  const isIp = decoder.decode(layers, copy, view, 0, copy.length, copy.length, LinkType.raw);
  assert.ok(isIp, "it is an IP packet, with a right checksum");
  assert.equal(layers.networkBytes, copy.length, "its length is its own");
  if (layers.protocol !== IpProtocol.tcp) return;
  const segment = new Packet().aim(view, 0, copy.length, 0x0800).find(tcp);
  assert.ok(segment);
  assert.equal(verifyChecksum(segment), "good", "the checksum of TCP is right");
}

function live({ first, policy, limits, acts, deeds }: Life): readonly string[] {
  const errors: unknown[] = [];
  const left: string[] = [];
  const leave = (bytes: Uint8Array): void => {
    left.push(Buffer.from(bytes).toString("hex"));
    assertWhole(bytes);
  };
  const engine = new FlowEngine({
    random: new SeededRandom(1),
    policy,
    limits,
    output: leave,
    onError: (_, error) => {
      // What cannot be done is refused by an error of ours.
      if (!(error instanceof MetanetError)) errors.push(error);
    },
  });
  edit(engine, deeds);
  let time = 1_000_000;
  for (const [index, each] of [...HANDSHAKE, ...acts].entries()) {
    time += each.milliseconds;
    for (const bytes of packetsOf(each, first, index)) {
      const packet = new Packet().aim(new DataView(bytes.buffer), 0, bytes.length, 0x0800);
      packet.time = time;
      if (engine.handlePacket(packet)) leave(packet.bytes());
      assert.ok(engine.statistics.flows <= (limits.flowCountMax ?? 0));
      assert.ok(engine.statistics.heldBytes <= (limits.totalBytesMax ?? 0));
    }
  }
  engine.close();
  assert.deepEqual([engine.statistics.flows, engine.statistics.heldBytes], [0, 0], "memory comes back");
  if (errors.length > 0) throw errors[0];
  return left;
}

export const flowInline: Target<Life> = {
  name: "flow-inline",
  invariant: "whatever is edited, nothing throws, what leaves is whole, memory comes back, twice the same",
  corpus: [],
  inputs: life,
  testRounds: 300,
  check(input) {
    assert.deepEqual(live(input), live(input));
  },
};

if (import.meta.main) await main(flowInline);
