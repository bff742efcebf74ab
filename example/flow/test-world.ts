/**
 * What the tests of the examples share: a program with an engine of its own, packets given to it one by one, and what
 * it printed and sent.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { FlowEngine, type FlowEngineOptions, type FlowStatistics, readCapture } from "metanet/flow";
import { ETHERNET_FIRST, Packet } from "#packet/packet.ts";
import { verifyChecksum } from "#packet/verify.ts";
import { CAPTURES } from "../../test/support/captures.ts";
import type { ConversationPacket } from "../../test/support/conversation.ts";
import { recordOf } from "../../test/support/conversation-other.ts";

/** The options that every example has. */
export interface Printing {
  readonly print: (line: string) => void;
}

export class FlowWorld {
  readonly engine: FlowEngine;
  /** What the program printed. */
  readonly lines: string[] = [];
  /** Packets that the engine sent. */
  readonly sent: Packet[] = [];
  readonly #errors: unknown[] = [];

  /** Gives `program` an engine; what it throws fails the next call. */
  constructor(program: (engine: FlowEngine, options: Printing) => unknown, options: FlowEngineOptions = {}) {
    this.engine = new FlowEngine({
      output: (bytes) => this.sent.push(packetOf(Uint8Array.from(bytes))),
      onError: (_monitor, error) => this.#errors.push(error),
      ...options,
    });
    program(this.engine, { print: (line) => this.lines.push(line) });
  }

  /** Whether each of the packets may go on. */
  play(...packets: readonly ConversationPacket[]): boolean[] {
    const verdicts = packets.map((packet) => this.engine.handle(recordOf(packet)));
    this.check();
    return verdicts;
  }

  /** All of a capture. */
  async replay(name: string): Promise<FlowStatistics> {
    const capture = await readCapture(join(CAPTURES, name));
    try {
      while (await capture.more()) while (capture.next()) this.engine.handle(capture.record);
    } finally {
      await capture.close();
    }
    this.close();
    return this.engine.statistics;
  }

  /** Ends the input. */
  close(): this {
    this.engine.close();
    this.check();
    return this;
  }

  /** What was printed since the last call. */
  take(): string[] {
    return this.lines.splice(0);
  }

  /** Fails when the program has. */
  check(): void {
    const [error] = this.#errors.splice(0);
    if (error !== undefined) throw error;
  }
}

/** A packet as a queue gives it, from its IP header on. */
export function queued(packet: ConversationPacket): Packet {
  const link = packet.linkType === 1 ? 14 : 0;
  const given = packetOf(packet.bytes.slice(link));
  given.time = packet.time;
  return given;
}

/** IP bytes as a packet; with a link layer when `bytes` begin with Ethernet. */
export function packetOf(bytes: Uint8Array, isEthernet = false): Packet {
  const version = (bytes[0] ?? 0) >> 4;
  const first = isEthernet ? ETHERNET_FIRST : version === 6 ? 0x86dd : 0x0800;
  const packet = new Packet();
  packet.aim(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length, first);
  packet.fullLengthBytes = bytes.length;
  return packet;
}

/** Fails when a checksum of the packet is wrong. */
export function assertChecksums(packet: Packet): void {
  for (const header of packet.headers()) assert.notEqual(verifyChecksum(header), "bad", header.$of.name);
}
