/**
 * What the tests of the packet queue share: the net, the rules, queues that are closed after each test, and
 * packets' lengths and checksums put right the slow way.
 * @module
 */
import { after, afterEach, before } from "node:test";
import { type PacketBatch, PacketVerdict } from "#io/packet-queue.ts";
import type { QueueRule } from "#io/queue-rules.ts";
import { LinuxPacketQueue, type LinuxPacketQueueOptions } from "#linux/packet-queue.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import { CLIENT, PacketQueueNet, run, SERVER, type UdpHost, type Version } from "./packet-queue-net.ts";

export const QUEUE = 5;
export const PORT = 4000;

/** Looks at one packet; what it leaves alone is accepted. */
export type Look = (batch: PacketBatch, row: number) => void;

export class QueueLab {
  readonly net = new PacketQueueNet();
  readonly rules = new LinuxQueueRules();
  readonly client: Record<Version, UdpHost>;
  readonly server: Record<Version, UdpHost>;
  readonly #queues: LinuxPacketQueue[] = [];

  constructor() {
    const { net } = this;
    const [client, server] = [net.client, net.server];
    this.client = { 4: net.udp(client, CLIENT[4], PORT), 6: net.udp(client, CLIENT[6], PORT) };
    this.server = { 4: net.udp(server, SERVER[4], PORT), 6: net.udp(server, SERVER[6], PORT) };
  }

  /** From the client to the server. */
  send(version: Version, ...texts: string[]): void {
    for (const text of texts) this.client[version].send(SERVER[version], PORT, text);
  }

  /** Opens a queue that shows packet after packet to `look`. */
  open(look: Look, options: Partial<LinuxPacketQueueOptions> = {}): LinuxPacketQueue {
    const queue = this.openBatches((batch) => {
      for (let row = 0; row < batch.count; row++) {
        batch.verdict[row] = PacketVerdict.accept;
        look(batch, row);
      }
    }, options);
    return queue;
  }

  openBatches(
    onBatch: (batch: PacketBatch) => void,
    options: Partial<LinuxPacketQueueOptions> = {},
  ): LinuxPacketQueue {
    const queue = new LinuxPacketQueue({ queueNumber: QUEUE, ...options });
    this.#queues.push(queue);
    queue.start(onBatch);
    return queue;
  }

  async tidy(): Promise<void> {
    for (const queue of this.#queues.splice(0)) queue.close();
    await this.rules.removeAll();
    for (const host of [...Object.values(this.client), ...Object.values(this.server)]) host.received();
  }

  close(): void {
    this.rules.close();
    this.net.close();
  }
}

/** A lab for the tests of a `describe`, tidied up after each of them. */
export function labForTests(): () => QueueLab {
  let lab: QueueLab | undefined;
  before(() => {
    lab = new QueueLab();
  });
  afterEach(() => lab?.tidy());
  after(() => lab?.close());
  return () => {
    if (lab === undefined) throw new Error("the lab is not open");
    return lab;
  };
}

export function rule(options: Partial<QueueRule> = {}): QueueRule {
  return {
    name: "test",
    family: "inet",
    hook: "forward",
    index: 0,
    match: "udp dport 4000",
    queueNumber: QUEUE,
    bypass: false,
    ...options,
  };
}

/** The text of a UDP packet in a row. */
export function textOf(batch: PacketBatch, row: number): string {
  const start = (batch.offset[row] ?? 0) + headerBytes(batch, row);
  const end = (batch.offset[row] ?? 0) + (batch.lengthBytes[row] ?? 0);
  return Buffer.from(batch.bytes.subarray(start, end)).toString();
}

/** Of IP without options and UDP. */
export function headerBytes(batch: PacketBatch, row: number): number {
  return (batch.bytes[batch.offset[row] ?? 0] ?? 0) >> 4 === 4 ? 28 : 48;
}

/** Puts another text into the UDP packet that starts at `start`, and its lengths and checksums right. */
export function rewrite(bytes: Uint8Array, start: number, text: string): number {
  const packet = bytes.subarray(start);
  const view = new DataView(packet.buffer, packet.byteOffset);
  const isFour = view.getUint8(0) >> 4 === 4;
  const header = isFour ? 20 : 40;
  const body = Buffer.from(text);
  packet.set(body, header + 8);
  const udpBytes = 8 + body.length;
  if (isFour) {
    view.setUint16(2, header + udpBytes);
    view.setUint16(10, 0);
    view.setUint16(10, checksum(packet.subarray(0, 20), 0));
  } else {
    view.setUint16(4, udpBytes);
  }
  view.setUint16(header + 4, udpBytes);
  view.setUint16(header + 6, 0);
  const addresses = packet.subarray(isFour ? 12 : 8, header);
  const pseudo = sum(addresses, 17 + udpBytes);
  view.setUint16(header + 6, checksum(packet.subarray(header, header + udpBytes), pseudo));
  return header + udpBytes;
}

/** RFC 1071. */
export function checksum(bytes: Uint8Array, start: number): number {
  let total = sum(bytes, start);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

function sum(bytes: Uint8Array, start: number): number {
  let total = start;
  for (const [index, byte] of bytes.entries()) total += index % 2 === 0 ? byte << 8 : byte;
  return total;
}

/** A rule that counts packets, in a table of its own; gives a function that reads the count. */
export function countPackets(hook: string, match: string): () => number {
  const name = `watch${++counterCount}`;
  run(`nft add table inet ${name}`);
  run(`nft add chain inet ${name} c { type filter hook ${hook} priority 50 ; }`);
  run(`nft add rule inet ${name} c ${match} counter`);
  return () => Number(/counter packets (\d+)/.exec(run(`nft list table inet ${name}`))?.[1]);
}

let counterCount = 0;

/** Until something holds, two seconds at most. */
export async function until(holds: () => boolean, milliseconds = 2000): Promise<boolean> {
  const end = Date.now() + milliseconds;
  while (!holds()) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return true;
}
