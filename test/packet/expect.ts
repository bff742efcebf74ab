/**
 * What tests of packets share.
 * @module
 */
import assert from "node:assert/strict";
import type { Packet } from "#packet/packet.ts";
import type { Protocol } from "#packet/protocol.ts";
import { verifyChecksum } from "#packet/verify.ts";
import type { View } from "#packet/view.ts";

/** One byte for each letter. */
export const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
/** For headers whose addresses do not matter. */
export const ends = { source: "10.0.0.1", destination: "10.0.0.2" } as const;

/** The view of a protocol that the test has put there itself. */
export function the<V extends View>(packet: Packet, protocol: Protocol<V>): V {
  const view = packet.find(protocol);
  assert.ok(view !== undefined, `no ${protocol.name}`);
  return view;
}

/** Every checksum of the packet is right. */
export function assertGood(packet: Packet): void {
  for (const header of packet.headers()) assert.notEqual(verifyChecksum(header), "bad", header.$of.name);
}
