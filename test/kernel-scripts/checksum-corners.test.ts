/**
 * Both zeros of checksums: what is written to headers, beside what stood there and what the checksums were.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareCase, moduleOf } from "./batch.ts";
import { engines } from "./engines.ts";
import { frameOf } from "./frames.ts";
import { text } from "./generate/piece.ts";
import { JUDGES } from "./generate/scope.ts";
import { ModulePrograms } from "./program.ts";

/** Ethernet, IPv4 with the identification 5002, UDP of 20 bytes. */
const FRAME =
  "02000000000100000000000208004500002a138a00004011d1420a00000216ffffff01bb138a000c00000102030400000000";
const WORDS = [0, 1, 0x0201, 0x138a, 0x8000, 0xc000, 0xfffe, 0xffff];
const CHECKSUMS = [0, 1, 0xfffe, 0xffff];

const BODIES: readonly string[] = [
  "ip.source = 0xc0000201;",
  "ip.source = 0xffff0001;",
  "ip.source = 0xffff;",
  "datagram.sourcePort = 5002;",
  "datagram.sourcePort = 0;",
  "datagram.sourcePort = 65535;",
  "datagram.sourcePort = ip.identification;",
  "datagram.sourcePort = 513; ip.source = 0xc0000201; ip.destination = ip.source;",
];

/** A source's halves with a port, under every pair of checksums. */
function frames(): readonly Uint8Array[] {
  return WORDS.flatMap((high, index) =>
    WORDS.flatMap((low) =>
      CHECKSUMS.map((checksum, at) => {
        const bytes = Uint8Array.from(Buffer.from(FRAME, "hex"));
        const view = new DataView(bytes.buffer);
        view.setUint16(24, checksum);
        view.setUint16(26, high);
        view.setUint16(28, low);
        view.setUint16(34, low);
        view.setUint16(40, CHECKSUMS[(at + index) % CHECKSUMS.length] ?? 0);
        return bytes;
      }),
    ),
  );
}

describe("checksums that are either zero", () => {
  const programs = new ModulePrograms();
  for (const body of BODIES) {
    it(`are those of user space behind ${body}`, () => {
      const main = [
        "export function script(packet: Packet, context: Context) {",
        "const ip = packet.payload(ipv4);",
        "const datagram = ip?.payload(udp);",
        "if (!ip || !datagram) return;",
        body,
        "}",
      ].join("\n");
      const script = { name: "script", abilities: { ...JUDGES, writes: true }, piece: text`${main}` };
      const one = { script, frames: frames().map((bytes) => frameOf(bytes)) };
      const module = moduleOf(programs, { protocols: [], lists: [] }, [one]);
      for (const engine of engines()) {
        if (!engine.may(script.abilities)) continue;
        const finding = compareCase(module, one, engine);
        assert.equal(finding.kind, "agrees", `${engine.name}: ${JSON.stringify(finding, undefined, 1)}`);
      }
    });
  }
});
