/**
 * Header prediction changes nothing: two engines, one with it and one without, see the same packets, and what they tell
 * their monitors, what those read and what they count is the same after every packet. A failure names the packet.
 * @module
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { FlowEngine, type FlowEngineOptions, type FlowFrame } from "#flow/engine.ts";
import type { EventName } from "#flow/event/events.ts";
import type { Flow } from "#flow/flow.ts";
import type { MonitorOptions } from "#flow/monitor.ts";
import type { Side } from "#flow/side.ts";
import { Packet } from "#packet/packet.ts";
import { tcp } from "#packet/tcp.ts";
import { CaptureReader } from "#wire/capture.ts";
import { MalformedCaptureError } from "#wire/capture-record.ts";
import { CAPTURES, capturesSkipped } from "../support/captures.ts";
import { conversation } from "../support/conversation.ts";
import { recordOf } from "../support/conversation-other.ts";
import { ConversationPacket } from "../support/conversation-packet.ts";
import { FLOW_HOOKS } from "../support/flow-hooks.ts";
import { makeTraffic, type TrafficOptions } from "../support/traffic.ts";

/** METANET_SEED repeats one run; otherwise the runs are others every day. */
const firstSeed: number = Number(process.env.METANET_SEED ?? Math.floor(Date.now() / 86_400_000) * 1000);
const RUN_COUNT = process.env.METANET_SEED === undefined ? 30 : 1;

/** A monitor: what it hears, how much it reads at each `newData`, and which segments it drops where. */
interface Listener {
  readonly options?: MonitorOptions;
  readonly events: readonly EventName[];
  readonly read?: "all" | "some" | "third";
  /** One segment of so many, by its number, at one of the hooks. */
  readonly drops?: number;
  /** Those without payload as well: SYN, FIN and acknowledgements. */
  readonly dropsEmpty?: boolean;
}

type Setting = FlowEngineOptions["policy"];

interface Scene {
  readonly listeners: readonly Listener[];
  readonly policy?: Setting;
  readonly limits?: FlowEngineOptions["limits"];
}

const EVERYTHING = Object.keys(FLOW_HOOKS) as EventName[];
const QUIET: readonly EventName[] = ["newData", "gap", "connectionEnd", "outOfWindow"];

/** Who listens to `retransmission`, or to what was acknowledged, needs bytes that prediction does not keep: apart. */
const SCENES: Readonly<Record<string, Scene>> = {
  "nobody listens": { listeners: [] },
  "one reads at once": { listeners: [{ events: QUIET, read: "all" }] },
  "one hears everything and nothing is compared": {
    listeners: [{ events: EVERYTHING, read: "all" }],
    limits: { compareBytes: 0 },
  },
  "one hears everything": { listeners: [{ events: EVERYTHING, read: "all" }] },
  "some read at once, late, a little and never": {
    listeners: [
      { events: QUIET, read: "all" },
      { events: QUIET, read: "third" },
      { events: QUIET, read: "some", options: { unreadBytesMax: 5000 } },
      { events: ["newData"], options: { unreadBytesMax: 0 } },
    ],
  },
  "some see what was acknowledged": {
    listeners: [
      { events: QUIET, read: "all" },
      { events: QUIET, read: "all", options: { view: "acked" } },
    ],
  },
  "one drops": {
    listeners: [
      { events: QUIET, read: "all" },
      { events: ["packet", "newData"], read: "third", drops: 7 },
    ],
    limits: { compareBytes: 0 },
  },
  "one drops what opens and ends connections, too": {
    listeners: [
      { events: QUIET, read: "all" },
      { events: EVERYTHING, read: "all", drops: 11, dropsEmpty: true },
    ],
    limits: { compareBytes: 0 },
  },
  "windows and timestamps count": {
    listeners: [{ events: EVERYTHING, read: "all" }],
    policy: { window: "advertised", paws: true, unseen: "refuse" },
    limits: { compareBytes: 0 },
  },
  "as strict as can be, urgent bytes left out": {
    listeners: [{ events: EVERYTHING, read: "all" }],
    policy: { unseen: "refuse", missingTimestamps: "refuse", urgent: "gap", midstream: "off" },
    limits: { compareBytes: 0, overrun: "stop", streamBytesMax: 4096 },
  },
  "as lenient as can be": {
    listeners: [{ events: EVERYTHING, read: "all" }],
    policy: { window: "ignore", paws: false, reset: "window", tail: "deliver", midstream: "guess" },
    limits: { compareBytes: 0 },
  },
};

/** All that can be asked of an end. */
function stateOf(flow: Flow<unknown>): string {
  return [flow.client, flow.server]
    .map((end) =>
      [
        end.state,
        end.packetCount,
        end.networkBytes,
        end.payloadBytes,
        end.missedBytes,
        end.nextOffset,
        end.acknowledgedOffset,
        end.initialSequence,
        end.nextSequence,
        end.acknowledgement,
        end.windowBytes,
        end.windowShift,
        end.hasFin,
        end.sentBytes,
        end.unreadBytes,
      ].join(" "),
    )
    .join(" | ");
}

/** An engine and what its monitors were told of the packet at hand. */
class Witness {
  readonly engine: FlowEngine;
  told: string[] = [];

  constructor(scene: Scene, predicts: boolean) {
    this.engine = new FlowEngine({
      random: new SeededRandom(1),
      policy: { checksums: "trust", ...scene.policy, predicts },
      limits: { flowCountMax: 512, ...scene.limits },
      onError: (_monitor, error) => this.told.push(String(error)),
    });
    for (const listener of scene.listeners) this.#listen(listener);
  }

  #listen(listener: Listener): void {
    const monitor = this.engine.monitor({ filter: "tcp", ...listener.options });
    let count = 0;
    for (const name of listener.events) {
      for (const hook of FLOW_HOOKS[name]) {
        // The pair is legal: it is from the table of hooks.
        monitor.on(name as "packet", hook as "none", (flow: Flow<unknown> | undefined, event) => {
          const fields = Object.values(event).join(" ");
          this.told.push(`${monitor.name} ${hook} ${fields} ${flow ? `${flow.id} ${stateOf(flow)}` : ""}`);
          if (flow === undefined) return;
          count++;
          const { drops, dropsEmpty, read } = listener;
          const mayDrop = drops !== undefined && (flow.payloadBytes > 0 || dropsEmpty === true);
          if (mayDrop && (flow.tcpSequence + count) % drops === 0) flow.drop();
          if (name !== "newData" || read === undefined || (read === "third" && count % 3 !== 0)) return;
          this.#read(flow, event.sender, read === "some" ? 100 : Number.POSITIVE_INFINITY);
        });
      }
    }
  }

  #read(flow: Flow<unknown>, side: Side, lengthMax: number): void {
    const end = flow.end(side);
    for (let piece = end.read(lengthMax); piece !== undefined; piece = end.read(lengthMax)) {
      const bytes = piece.bytes && Buffer.from(piece.bytes).toString("latin1");
      this.told.push(`${piece.offset} ${piece.gap} ${bytes}`);
      if (lengthMax < Number.POSITIVE_INFINITY) return;
    }
  }

  /** What was told since it was asked last. */
  take(): readonly string[] {
    const { told } = this;
    this.told = [];
    return told;
  }
}

/** Two engines over the same frames; throws at the first that makes a difference. Returns how many there were. */
function compare(frames: Iterable<FlowFrame>, scene: Scene): number {
  const fast = new Witness(scene, true);
  const slow = new Witness(scene, false);
  let count = 0;
  for (const frame of frames) {
    count++;
    const isPassing = fast.engine.handle(frame);
    assert.equal(isPassing, slow.engine.handle(frame), `packet ${count}: whether it goes on`);
    assertSame(fast, slow, `packet ${count}`);
  }
  fast.engine.close();
  slow.engine.close();
  assertSame(fast, slow, "the end");
  assert.deepEqual(fast.engine.statistics, slow.engine.statistics);
  return count;
}

function assertSame(fast: Witness, slow: Witness, where: string): void {
  const told = fast.take();
  const wanted = slow.take();
  const same = told.length === wanted.length && told.every((line, index) => line === wanted[index]);
  if (!same) assert.deepEqual(told, wanted, where);
}

type Network = Omit<TrafficOptions, "seed">;

const NETWORKS: readonly Network[] = [
  {},
  { lostAfter: 0.05, delayed: 0.1 },
  { missed: 0.05, duplicated: 0.1, repeated: 0.1 },
  { mss: 1, bytesMax: 200, lostAfter: 0.05, missed: 0.05 },
  { repeated: 0.3, conflicting: 0.5, lostBefore: 0.05, end: "reset" },
  { link: "raw", ipv6: true, delayed: 0.2, end: "none" },
];

/**
 * Packets of one run of a network, `share` of a hundred of which are changed by {@link spoil}. Odd runs have timestamps,
 * and the ends of every fourth offer windows that those who send to them do not know of.
 */
function* spoiled(random: SeededRandom, network: Network, seed: number, share: number): Generator<FlowFrame> {
  const at = network.link === "raw" ? 0 : 14;
  const transportAt = at + (network.ipv6 === true ? 40 : 20);
  let late = 0;
  for (const [index, packet] of makeTraffic({ ...network, seed }).packets.entries()) {
    const isStamped = seed % 2 === 1 && random.below(100) >= share;
    const bytes = isStamped
      ? stamped(packet.bytes, at, index * 2 + 5 - random.below(6))
      : packet.bytes.slice();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (seed % 4 === 3 && share > 0) view.setUint16(transportAt + 14, view.getUint16(transportAt + 14) % 9);
    if (random.below(100) < share) spoil(random, view, transportAt);
    if (random.below(100) < share) late += random.below(3) === 0 ? 30 * 86_400_000 : -50;
    const cut = random.below(100) < share ? random.below(20) : 0;
    const rest = bytes.subarray(0, Math.max(54, bytes.length - cut));
    yield recordOf(new ConversationPacket(packet.time + late, packet.linkType, rest, bytes.length));
  }
}

/** The frame, whose IP header is at `at`, with a timestamp in its segment. */
function stamped(frame: Uint8Array, at: number, timestamp: number): Uint8Array {
  const bytes = frame.slice();
  const etherType = (bytes[at] as number) >> 4 === 6 ? 0x86dd : 0x0800;
  const packet = new Packet().aim(new DataView(bytes.buffer, at), 0, bytes.length - at, etherType);
  const segment = packet.find(tcp);
  assert.ok(segment);
  segment.timestamp = timestamp;
  const made = Uint8Array.from([...bytes.subarray(0, at), ...packet.bytes()]);
  // As nearly all stacks write it: no operation twice, then the option.
  const options = at + (etherType === 0x86dd ? 40 : 20) + 20;
  made.copyWithin(options + 2, options, options + 10);
  made.fill(1, options, options + 2);
  return made;
}

/** Changes a field of the TCP header that begins at `at`, a little or entirely. */
function spoil(random: SeededRandom, view: DataView, at: number): void {
  const near = random.below(21) - 10;
  switch (random.below(9)) {
    case 0:
      view.setUint32(at + 4, view.getUint32(at + 4) + near);
      break;
    case 1:
      view.setUint32(at + 8, view.getUint32(at + 8) + near);
      break;
    case 2:
      view.setUint8(at + 13, random.below(256));
      break;
    case 3:
      view.setUint8(at + 13, view.getUint8(at + 13) ^ (1 << random.below(8)));
      break;
    case 4:
      view.setUint16(at + 14, random.below(3) * random.below(100));
      break;
    case 5:
      view.setUint16(at + 14, 65_535);
      break;
    case 6:
      view.setUint32(at + 4 + 4 * random.below(2), random.below(2 ** 32));
      break;
    case 7:
      view.setUint8(at + 13, view.getUint8(at + 13) | 32);
      view.setUint16(at + 18, random.below(40));
      break;
    default:
      // In the options, where there are any: timestamps that go back or are none.
      if (view.getUint8(at + 12) >> 4 > 5) view.setUint8(at + 20 + random.below(12), random.below(256));
  }
}

describe("Prediction", () => {
  for (const [name, scene] of Object.entries(SCENES)) {
    it(`Prediction changes nothing for generated traffic, as it is and spoiled: ${name}`, () => {
      for (let index = 0; index < RUN_COUNT; index++) {
        const seed = firstSeed + index;
        const random = new SeededRandom(seed);
        const network = NETWORKS[random.below(NETWORKS.length)] as Network;
        try {
          const count = compare(spoiled(random, network, seed, [0, 3, 15][seed % 3] as number), scene);
          assert.ok(count > 0);
        } catch (error) {
          throw new Error(`METANET_SEED=${seed}: ${(error as Error).message}`, { cause: error });
        }
      }
    });
  }

  it("Prediction leaves what reaches beyond the window to the long way", () => {
    for (const windowBytes of [99, 100, 119, 120, 121, 160]) {
      const talk = conversation();
      const opening = [talk.syn(), talk.synAck({ window: windowBytes }), talk.ack("client")];
      const data = ["a", "b", "c"].map((letter) => talk.client(letter.repeat(60)));
      for (const scene of Object.values(SCENES)) compare([...opening, ...data, talk.ack("server")], scene);
    }
  });

  it("Prediction changes nothing for captures of real traffic", { skip: capturesSkipped }, () => {
    const scenes = Object.values(SCENES);
    let packetCount = 0;
    const paths = readdirSync(CAPTURES, { recursive: true, encoding: "utf8" }).filter((path) =>
      /\.(pcap|pcapng|cap)$/.test(path),
    );
    for (const [index, path] of paths.sort().entries()) {
      // Every capture in one of the scenes, another one each day.
      const scene = scenes[(index + Math.floor(firstSeed / 1000)) % scenes.length] as Scene;
      try {
        packetCount += compare(framesOf(join(CAPTURES, path)), scene);
      } catch (error) {
        throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
      }
    }
    assert.ok(packetCount > 0, "there are captures");
  });
});

function* framesOf(path: string): Generator<FlowFrame> {
  const reader = new CaptureReader();
  reader.push(readFileSync(path));
  try {
    while (reader.next()) yield reader.record;
  } catch (error) {
    if (!(error instanceof MalformedCaptureError)) throw error;
  }
}
