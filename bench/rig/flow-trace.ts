/**
 * Traces for flow engines, made from a seed: packets of many conversations at once, as a pcap file that stays in the
 * cache, with what is true about it beside it. The reference trace has 975,000 packets of 25,000 TCP connections.
 * @module
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { SeededRandom } from "#base/seeded-random.ts";
import { PcapWriter } from "#wire/pcap-writer.ts";
import { type Conversation, FrameMaker, type Step, type Wrapping } from "./flow-frames.ts";
import {
  datagramScript,
  disorderedScript,
  openScript,
  referenceScript,
  type Script,
  STEP_NUMBERS,
  smallScript,
} from "./flow-scripts.ts";

export type TraceName = "reference" | "small" | "disorder" | "many" | "synflood" | "mix";

/** What is true about a trace. */
export interface Truth {
  readonly packets: number;
  /** Of all frames, as captured. */
  readonly frameBytes: number;
  /** TCP connections; of a flood, the attempts. */
  readonly flows: number;
  /** What the TCP streams carry in both directions, each byte once. */
  readonly bytes: number;
  /** The same of what runs over IPv4, which is all that some engines know. */
  readonly ipv4Bytes: number;
}

/** A trace on the disk. */
export interface Trace extends Truth {
  readonly name: TraceName;
  readonly path: string;
}

/** Flows of each trace of a long run: 975,000, 1.12 M, about 980,000, 4 M, 2 M and 1 M packets. */
export const FLOW_COUNTS: Readonly<Record<TraceName, number>> = {
  reference: 25_000,
  small: 80_000,
  disorder: 25_000,
  many: 1_000_000,
  synflood: 2_000_000,
  mix: 50_000,
};

/** Another number makes what lies in the cache useless. */
const VERSION = 2;
const SEED = 4;
/** At once, where conversations end. */
const CONCURRENT_COUNT = 5000;
const MICROSECONDS_BETWEEN = 5;
const FIRST_SECOND = 1_700_000_000;
const ETHERNET = 1;
const WRITE_BYTES = 8 * 1024 * 1024;
const SERVER_PORT = 5001;
/** 10.0.0.0 and 198.18.0.0. */
const CLIENTS = 0x0a00_0000;
const SERVERS = 0xc612_0000;

const PLAIN: Wrapping = { version: 4, protocol: "tcp", vlan: undefined };

/** Captured where they arrived; the others where they left, without padding, as some programs take it for data. */
const PADDED: ReadonlySet<TraceName> = new Set(["small", "mix"]);

interface Kind {
  readonly wrapping: Wrapping;
  readonly script: (random: SeededRandom) => Script;
  /** Of a hundred. */
  readonly share: number;
}

const KINDS: Readonly<Record<TraceName, readonly Kind[]>> = {
  reference: [always(referenceScript())],
  small: [always(smallScript())],
  disorder: [{ wrapping: PLAIN, script: disorderedScript, share: 100 }],
  many: [always(openScript())],
  synflood: [],
  mix: [
    always(referenceScript(), PLAIN, 30),
    always(smallScript(), PLAIN, 10),
    always(referenceScript(), { version: 6, protocol: "tcp", vlan: undefined }, 15),
    always(referenceScript(), { version: 4, protocol: "tcp", vlan: 100 }, 10),
    always(datagramScript(4, 200), { version: 4, protocol: "udp", vlan: undefined }, 15),
    always(datagramScript(4, 1200), { version: 6, protocol: "udp", vlan: 200 }, 5),
    always(datagramScript(2, 56), { version: 4, protocol: "icmp", vlan: undefined }, 10),
    always(datagramScript(2, 56), { version: 6, protocol: "icmp", vlan: undefined }, 5),
  ],
};

function always(script: Script, wrapping: Wrapping = PLAIN, share = 100): Kind {
  return { wrapping, script: () => script, share };
}

/** One that goes on: a place among those at once. */
interface Running {
  readonly conversation: Conversation;
  readonly initial: readonly [client: number, server: number];
  readonly script: Script;
  at: number;
}

/** Where a trace's packets go; the bytes are the callee's until it returns. */
type Sink = (bytes: Uint8Array, lengthBytes: number) => void;

/** The trace, made at the first call and found in `folder` later. */
export function makeTrace(name: TraceName, flowCount: number, folder: string): Trace {
  const path = join(folder, `${name}-${flowCount}-${VERSION}.pcap`);
  const truthPath = `${path}.json`;
  if (!existsSync(truthPath)) {
    mkdirSync(folder, { recursive: true });
    const unfinished = `${path}.${process.pid}`;
    const truth = writeTrace(name, flowCount, unfinished);
    renameSync(unfinished, path);
    writeFileSync(truthPath, JSON.stringify(truth));
  }
  return { name, path, ...(JSON.parse(readFileSync(truthPath, "utf8")) as Truth) };
}

function writeTrace(name: TraceName, flowCount: number, path: string): Truth {
  const writer = new PcapWriter({
    linkType: ETHERNET,
    snapLengthBytes: 262_144,
    timeUnit: "microseconds",
  });
  const file = openSync(path, "w");
  const record = {
    seconds: FIRST_SECOND,
    nanoseconds: 0,
    capturedBytes: 0,
    originalBytes: 0,
    bytes: new Uint8Array(0) as Uint8Array,
    offset: 0,
  };
  let microseconds = 0;
  try {
    const truth = generateTrace(name, flowCount, (bytes, lengthBytes) => {
      microseconds += MICROSECONDS_BETWEEN;
      record.seconds = FIRST_SECOND + Math.floor(microseconds / 1_000_000);
      record.nanoseconds = (microseconds % 1_000_000) * 1000;
      record.capturedBytes = lengthBytes;
      record.originalBytes = lengthBytes;
      record.bytes = bytes;
      writer.write(record);
      if (writer.waitingBytes >= WRITE_BYTES) writeAll(file, writer.take());
    });
    writeAll(file, writer.take());
    return truth;
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** Makes the packets of a trace, in order; the same for the same name and number of flows. */
export function generateTrace(name: TraceName, flowCount: number, sink: Sink): Truth {
  const random = new SeededRandom(SEED);
  const maker = new FrameMaker(SEED + 1, PADDED.has(name));
  return name === "synflood"
    ? flood(flowCount, random, maker, sink)
    : converse(name, flowCount, random, maker, sink);
}

function flood(flowCount: number, random: SeededRandom, maker: FrameMaker, sink: Sink): Truth {
  const step: Step = { direction: 0, sequence: 0, acknowledgement: 0, flags: 2, offset: 0, payloadBytes: 0 };
  const conversation = conversationOf(0, PLAIN);
  let frameBytes = 0;
  for (let index = 0; index < flowCount; index++) {
    conversation.client = random.word();
    conversation.clientPort = 1024 + random.below(64_000);
    step.sequence = random.word();
    maker.make(conversation, step);
    frameBytes += maker.lengthBytes;
    sink(maker.bytes, maker.lengthBytes);
  }
  return { packets: flowCount, frameBytes, flows: flowCount, bytes: 0, ipv4Bytes: 0 };
}

function converse(
  name: TraceName,
  flowCount: number,
  random: SeededRandom,
  maker: FrameMaker,
  sink: Sink,
): Truth {
  const truth = { packets: 0, frameBytes: 0, flows: 0, bytes: 0, ipv4Bytes: 0 };
  let next = 0;
  const open = (): Running => {
    const running = openConversation(name, next++, random);
    count(running, truth);
    return running;
  };
  const places = Array.from({ length: Math.min(CONCURRENT_COUNT, flowCount) }, open);
  const step: Step = { direction: 0, sequence: 0, acknowledgement: 0, flags: 0, offset: 0, payloadBytes: 0 };
  while (places.length > 0) {
    const place = random.below(places.length);
    const running = places[place] as Running;
    fillStep(step, running);
    maker.make(running.conversation, step);
    truth.packets++;
    truth.frameBytes += maker.lengthBytes;
    sink(maker.bytes, maker.lengthBytes);
    running.at += STEP_NUMBERS;
    if (running.at < running.script.length) continue;
    if (next < flowCount) places[place] = open();
    else {
      places[place] = places.at(-1) as Running;
      places.pop();
    }
  }
  return truth;
}

function openConversation(name: TraceName, flow: number, random: SeededRandom): Running {
  const kind = chooseKind(KINDS[name], random.below(100));
  return {
    conversation: conversationOf(flow, kind.wrapping),
    initial: [random.word(), random.word()],
    script: kind.script(random),
    at: 0,
  };
}

function chooseKind(kinds: readonly Kind[], percent: number): Kind {
  let end = 0;
  for (const kind of kinds) {
    end += kind.share;
    if (percent < end) return kind;
  }
  throw new RangeError(
    `Cannot choose a kind of conversation: the shares end at ${end}, asked for ${percent}`,
  );
}

/** Addresses and ports of a flow, of which no two have the same up to 2^16 x 2^15 flows. */
function conversationOf(flow: number, wrapping: Wrapping): Conversation {
  const low = flow & 0xffff;
  return {
    flow,
    wrapping,
    client: CLIENTS + low,
    server: SERVERS + 1 + (flow % 199),
    clientPort: 1024 + ((low * 31) & 0x7fff) + (flow >>> 16),
    serverPort: SERVER_PORT,
  };
}

function fillStep(step: Step, { script, at, initial, conversation }: Running): void {
  const direction = script[at] as number;
  const sequence = script[at + 2] as number;
  const isTcp = conversation.wrapping.protocol === "tcp";
  step.direction = direction;
  step.flags = script[at + 1] as number;
  step.sequence = ((initial[direction] as number) + sequence) >>> 0;
  const hasAck = (step.flags & 0x10) !== 0;
  step.acknowledgement = hasAck ? ((initial[1 - direction] as number) + (script[at + 3] as number)) >>> 0 : 0;
  step.offset = isTcp ? Math.max(0, sequence - 1) : sequence;
  step.payloadBytes = script[at + 4] as number;
}

/** Adds what a conversation will say to the truth. */
function count({ conversation, script }: Running, truth: { -readonly [Key in keyof Truth]: number }): void {
  const { protocol, version } = conversation.wrapping;
  if (protocol !== "tcp") return;
  const ends = [1, 1];
  for (let at = 0; at < script.length; at += STEP_NUMBERS) {
    const direction = script[at] as number;
    const end = (script[at + 2] as number) + (script[at + 4] as number);
    if ((script[at + 4] as number) > 0) ends[direction] = Math.max(ends[direction] as number, end);
  }
  const bytes = (ends[0] as number) + (ends[1] as number) - 2;
  truth.flows++;
  truth.bytes += bytes;
  if (version === 4) truth.ipv4Bytes += bytes;
}
