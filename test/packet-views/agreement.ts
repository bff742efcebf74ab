/**
 * Runs a script over packets as plain TypeScript and as the compiler's intermediate form, before and after its passes,
 * and asks that they agree on the verdict, the bytes and the mark.
 * @module
 */
import assert from "node:assert/strict";
import { Packet } from "#packet/packet.ts";
import { interpretFunction } from "#script/compiler/ir/interpret.ts";
import { PlainWorld } from "#script/compiler/ir/interpreted-world.ts";
import type { IrFunction } from "#script/compiler/ir/ir.ts";
import { formatFunction } from "#script/compiler/ir/print.ts";
import { validateFunction } from "#script/compiler/ir/validate.ts";
import { lowerFunction } from "#script/compiler/lower/lower.ts";
import type { CompileProblem } from "#script/compiler/problem.ts";
import type { CompileTarget } from "#script/compiler/target.ts";
import type { PacketScript } from "#script/context.ts";
import { kindOf, markOf, type Verdict } from "#script/verdict.ts";
import { frontAt, targetOf } from "../kernel-scripts/compiler.ts";
import { evaluateModule } from "../kernel-scripts/module.ts";
import { ModulePrograms } from "../kernel-scripts/program.ts";

const ETHERNET_BYTES = 14;
const ETHERNET_FIRST = -1;

/** Where a script runs, in both ways. */
export type Where = Pick<CompileTarget, "attach"> & Partial<CompileTarget>;

/** Frames that a script sees from Ethernet on, at an interface's ingress. */
export const FRAMES: Where = { attach: "tcx-ingress" };
/** The same, from the IP header on. */
export const PACKETS: Where = { attach: "tcx-ingress", first: "network" };
/** At a driver's place. */
export const DRIVER: Where = { attach: "xdp" };

const programs = new ModulePrograms();

/** The functions of a script, compiled before and after the passes, and as plain TypeScript. */
export interface Compiled {
  readonly script: PacketScript;
  readonly looksIntoTunnels: boolean;
  readonly where: CompileTarget;
  readonly stages: readonly (readonly [name: string, code: IrFunction])[];
}

/** A module of what it says behind its imports, of which the function `f` is compiled. */
export function moduleOf(text: string): string {
  return `import * as script from "metanet/script";\nimport { ${IMPORTED.filter((name) => new RegExp(`\\b${name}\\b`).test(text)).join(", ")} } from "metanet/script";\n${text}\n`;
}

const IMPORTED = [
  ...["accept", "drop", "verdict", "defineProtocol", "EtherType", "IpProtocol"],
  ...[
    "ethernet",
    "vlan",
    "arp",
    "pppoe",
    "mpls",
    "ipv4",
    "ipv6",
    "icmp",
    "icmpv6",
    "gre",
    "tcp",
    "udp",
    "vxlan",
  ],
  ...["dns", "dnsLength", "dhcp", "tftp", "tls", "clientHello", "http", "type Packet", "type View"],
];

/** Why a script is refused; empty when it is not. */
export function problemsOf(text: string, where: Where = FRAMES): readonly CompileProblem[] {
  return frontAt(programs.make(moduleOf(text)), "f", where).problems;
}

/** @throws AssertionError when the script does not compile */
export function compile(text: string, where: Where = FRAMES): Compiled {
  const module = moduleOf(text);
  const made = programs.make(module);
  const front = frontAt(made, "f", where);
  assert.deepEqual(front.problems, [], text);
  if (front.function === undefined) throw new Error("nothing came out");
  validateFunction(front.function);
  const target = targetOf(where);
  const stages: [string, IrFunction][] = [["front", front.function]];
  // The passes change the function in place.
  const again = frontAt(made, "f", where);
  if (again.function === undefined) throw new Error("nothing came out again");
  const lowered = lowerFunction(again.function, target, (place) => again.places.constructAt(place));
  assert.deepEqual(lowered.problems, [], text);
  if (lowered.function !== undefined) stages.push(["lower", lowered.function]);
  const script = evaluateModule(module).f;
  if (script === undefined) throw new Error("the module exports no f");
  return { script, looksIntoTunnels: !/tunnels: false/.test(text), where: target, stages };
}

interface Outcome {
  readonly verdict: string;
  readonly bytes: string;
  readonly mark: number;
}

/** What user space does and the kernel does not: something between Ethernet and IP, extensions that end elsewhere. */
const LIMIT =
  /^fault (splice: (IP is not right behind Ethernet|inside of a PPPoE session|less than)|nextHeader)/;

/** Asks that all agree about a frame, which begins with Ethernet. */
export function agree(compiled: Compiled, frame: Uint8Array): Outcome & { readonly isLimited: boolean } {
  const expected = runPlain(compiled, frame);
  let isLimited = false;
  for (const [name, code] of compiled.stages) {
    const seen = runStage(code, frame);
    isLimited = LIMIT.test(seen.verdict);
    if (isLimited) continue;
    assert.deepEqual(seen, expected, `${name} of ${hex(frame)}\n${formatFunction(code)}`);
  }
  return { ...expected, isLimited };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** As the kernel tells it; 0 where a frame is too short to have one. */
function etherTypeOf(frame: Uint8Array): number {
  return frame.length < ETHERNET_BYTES ? 0 : ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
}

function runPlain({ script, looksIntoTunnels, where }: Compiled, frame: Uint8Array): Outcome {
  const bytes = Uint8Array.from(frame);
  const type = etherTypeOf(frame);
  const isSeen = where.first === "ethernet" || type === 0x800 || type === 0x86dd;
  if (!isSeen) return { verdict: "continue", bytes: hex(frame), mark: 0 };
  const start = where.first === "ethernet" ? 0 : ETHERNET_BYTES;
  const data = new DataView(bytes.buffer);
  const packet = new Packet().aim(data, start, bytes.length - start, start === 0 ? ETHERNET_FIRST : type);
  packet.$looksIntoTunnels = looksIntoTunnels;
  const answer = script(packet, undefined as never) as Verdict | undefined;
  const kind = answer === undefined ? "continue" : (kindOf(answer) ?? "nonsense");
  const mark = kind === "mark" ? markOf(answer as Verdict) : packet.mark;
  const after = hex(bytes.subarray(0, start)) + hex(packet.bytes());
  return { verdict: kind === "mark" ? "continue" : kind, bytes: after, mark };
}

const VERDICTS = ["drop", "accept", "continue"];

function runStage(code: IrFunction, frame: Uint8Array): Outcome {
  const type = etherTypeOf(frame);
  const world = new PlainWorld({ packet: frame, facts: { etherType: BigInt(type) } });
  const outcome = interpretFunction(code, world);
  const verdict =
    outcome.kind === "verdict"
      ? (VERDICTS[Number(outcome.verdict)] ?? "nonsense")
      : `fault ${outcome.message}`;
  return { verdict, bytes: hex(world.packet.bytes), mark: Number(world.mark) };
}
