/**
 * What becomes of a packet for which a compiled script fails: it goes by `--on-error`, but never half changed.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { build } from "#packet/build.ts";
import { ethernet } from "#packet/ethernet.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { tcp } from "#packet/tcp.ts";
import { SimKernelPrograms } from "#sim/ebpf/programs.ts";
import { compileAt } from "./compiler.ts";
import { ModulePrograms } from "./program.ts";

const TEXT = `
import { drop, ipv4, type Packet, udp, verdict } from "metanet/script";
export function reads(packet: Packet) {
  const ip = packet.payload(ipv4);
  if (!ip) return verdict.continue;
  return ip.payload(udp)!.destinationPort === 53 ? drop : verdict.continue;
}
export function writes(packet: Packet) {
  const ip = packet.payload(ipv4);
  if (!ip) return verdict.continue;
  ip.timeToLive = 1;
  return ip.payload(udp)!.destinationPort === 53 ? drop : verdict.continue;
}
`;

const SEGMENT = build(ethernet.header(), ipv4.header({ source: "192.0.2.1" }), tcp.header()).toBytes();
/** TCX_PASS and TCX_DROP (linux/bpf.h). */
const [PASS, DROP] = [0, 2];

describe("a script that fails in the kernel", () => {
  const module = new ModulePrograms().make(TEXT);
  for (const [name, verdict] of [
    ["reads", PASS],
    ["writes", DROP],
  ] as const) {
    it(`${name} packets, and with --on-error accept its packet ${verdict === PASS ? "passes as it came" : "is dropped"}`, () => {
      const { script, problems } = compileAt(module, name, { attach: "tcx-ingress", onError: "accept" });
      assert.deepEqual(problems, []);
      const run = new SimKernelPrograms().load(script?.image as never, new Map()).test(SEGMENT);
      assert.equal(run.verdict, verdict);
      if (verdict === PASS) assert.deepEqual(run.bytes, SEGMENT);
    });
  }
});
