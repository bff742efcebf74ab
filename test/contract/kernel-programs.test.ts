/**
 * What every KernelPrograms promises, run in the kernel (where this process may) and in the simulated one. Programs are
 * written by hand, and random arithmetic must come out alike.
 * @module
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import type { KernelMap, KernelMapSpec, KernelPrograms, ProgramImage } from "#io/kernel-programs.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { build } from "#packet/build.ts";
import { ethernet } from "#packet/ethernet.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { udp } from "#packet/udp.ts";
import { SimKernelPrograms } from "#sim/ebpf/programs.ts";
import { Arithmetic, Atomic, FRAME_POINTER } from "#wire/ebpf.ts";
import { kernelProgramsCases } from "../lab/kernel-programs-cases.ts";
import { enterOwnNamespace, rootProblem } from "../lab/own-namespace.ts";
import * as asm from "../support/ebpf-assembly.ts";

const FRAME: Uint8Array = build(
  ethernet.header({ source: "02:00:00:00:00:01", destination: "02:00:00:00:00:02" }),
  ipv4.header({ source: "192.0.2.1", destination: "198.51.100.2" }),
  udp.header({ sourcePort: 40_000, destinationPort: 53 }),
  new Uint8Array(40).fill(7),
).toBytes();

const UDP_CHECKSUM_AT = 14 + 20 + 6;
const MAP: KernelMapSpec = { name: "counts", kind: "hash", keyBytes: 4, valueBytes: 8, countMax: 2 };

interface World {
  readonly name: string;
  readonly skip: string | false;
  make(): KernelPrograms;
}

const WORLDS: readonly World[] = [
  { name: "the kernel", skip: rootProblem(), make: () => new LinuxKernelPrograms() },
  { name: "the simulated kernel", skip: false, make: () => new SimKernelPrograms() },
];

function key(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number, true);
  return bytes;
}

function value(number: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, number, true);
  return bytes;
}

/** `r0 = entry at key 1 of the map`, with the null case answered by -1. */
function lookUp(map: string): asm.Piece[] {
  return [
    asm.storeConstant(4, FRAME_POINTER, -4, 1),
    asm.copy(2, FRAME_POINTER),
    asm.add(2, -4),
    asm.mapAddress(1, map),
    asm.call("mapLookUp"),
    asm.jumpIf("unequal", 0, { constant: 0 }, 2),
    asm.set(0, -1),
    asm.exit(),
  ];
}

/** r2 = data, r3 = data_end of an XDP program; leaves with 1 when there are fewer bytes. */
function boundsOfFrame(bytes: number): asm.Piece[] {
  return [
    asm.load(4, 2, 1, 0),
    asm.load(4, 3, 1, 4),
    asm.copy(4, 2),
    asm.add(4, bytes),
    asm.jumpIf("lessOrEqual", 4, { register: 3 }, 2),
    asm.set(0, 1),
    asm.exit(),
  ];
}

for (const world of WORLDS) {
  kernelProgramsCases(`KernelPrograms of ${world.name}`, () => world.make(), world.skip);
  describe(`KernelPrograms of ${world.name}`, { skip: world.skip }, () => {
    let programs: KernelPrograms;
    const open: KernelMap[] = [];
    before(() => {
      if (world.name === "the kernel") enterOwnNamespace();
      programs = world.make();
    });
    after(() => {
      for (const map of open) map.close();
    });

    function run(image: ProgramImage, packet = FRAME, mark = 0) {
      const maps = new Map<string, KernelMap>();
      const program = programs.load(image, maps);
      open.push(...maps.values());
      try {
        return { ...program.test(packet, { mark }), maps };
      } finally {
        program.close();
      }
    }

    it("reads and writes the frame of an XDP program within its bounds", () => {
      const steps = [
        ...boundsOfFrame(14),
        asm.load(1, 5, 2, 0),
        asm.withConstant("xor", 5, 0xff),
        asm.store(1, 2, 0, 5),
        asm.load(2, 0, 2, 12),
        asm.exit(),
      ];
      const { verdict, bytes } = run(asm.assemble("xdp", steps));
      assert.equal(verdict, 0x0008);
      assert.equal(bytes[0], (FRAME[0] as number) ^ 0xff);
      assert.deepEqual(bytes.subarray(1), FRAME.subarray(1));
    });

    it("corrects a transport's checksum by a difference", () => {
      const steps = [
        asm.set(2, UDP_CHECKSUM_AT),
        asm.set(3, 0),
        asm.set(4, 0x1234),
        asm.set(5, 0x30),
        asm.call("l4ChecksumReplace"),
        asm.exit(),
      ];
      const { verdict, bytes } = run(asm.assemble("tcx-egress", steps));
      assert.equal(verdict, 0);
      const before = new DataView(FRAME.buffer, FRAME.byteOffset).getUint16(UDP_CHECKSUM_AT, true);
      const sum = (~before & 0xffff) + 0x1234;
      const wanted = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
      const after = new DataView(bytes.buffer, bytes.byteOffset).getUint16(UDP_CHECKSUM_AT, true);
      assert.equal(after, wanted);
    });

    it("copies bytes from anywhere in a packet, and refuses what lies behind its end", () => {
      for (const [offset, wanted] of [
        [FRAME.length - 8, 0x0707_0707],
        [FRAME.length - 7, -14],
      ] as const) {
        const steps = [
          asm.set(2, offset),
          asm.copy(3, FRAME_POINTER),
          asm.add(3, -8),
          asm.set(4, 8),
          asm.call("skbLoadBytes"),
          asm.jumpIf("equal", 0, { constant: 0 }, 1),
          asm.exit(),
          asm.load(4, 0, FRAME_POINTER, -8),
          asm.exit(),
        ];
        assert.equal(run(asm.assemble("tcx-ingress", steps)).verdict, wanted);
      }
    });

    it("shows a netfilter program its packet from the IP header", () => {
      const steps = [
        asm.load(8, 1, 1, 8),
        asm.set(2, 0),
        asm.copy(3, FRAME_POINTER),
        asm.add(3, -16),
        asm.callKernel("bpf_dynptr_from_skb"),
        asm.copy(1, FRAME_POINTER),
        asm.add(1, -16),
        asm.set(2, 20),
        asm.copy(3, FRAME_POINTER),
        asm.add(3, -24),
        asm.set(4, 8),
        asm.callKernel("bpf_dynptr_slice"),
        asm.jumpIf("unequal", 0, { constant: 0 }, 1),
        asm.exit(),
        // 53 in network order.
        asm.load(2, 1, 0, 2),
        asm.set(0, 0),
        asm.jumpIf("equal", 1, { constant: 0x3500 }, 1),
        asm.set(0, 1),
        asm.exit(),
      ];
      assert.equal(run(asm.assemble("netfilter", steps), FRAME.subarray(14)).verdict, 0);
      const other = FRAME.slice(14);
      other[23] = 54;
      assert.equal(run(asm.assemble("netfilter", steps), other).verdict, 1);
    });

    it("counts in a map's entry without a race, and shows it outside", () => {
      const maps = new Map([["counts", programs.createMap(MAP)]]);
      open.push(...maps.values());
      const steps = [
        ...lookUp("counts"),
        asm.set(2, 5),
        asm.atomic(0, 0, 2, Atomic.add | Atomic.fetch),
        asm.copy(0, 2),
        asm.exit(),
      ];
      const program = programs.load(asm.assemble("xdp", steps, { maps: [MAP] }), maps);
      assert.equal(program.test(FRAME).verdict, -1, "there is no entry yet");
      assert.equal(maps.get("counts")?.set(key(1), value(40n)), true);
      assert.deepEqual([program.test(FRAME).verdict, program.test(FRAME).verdict], [40, 45]);
      assert.deepEqual(maps.get("counts")?.get(key(1)), value(50n));
      program.close();
    });

    it("calculates as RFC 9669 says, also at the ends of the ranges", () => {
      const seed = Number(process.env.SEED ?? 20_261_122);
      const random = new SeededRandom(seed);
      for (let round = 0; round < 40; round++) {
        const { steps, wanted } = randomArithmetic(random);
        assert.equal(run(asm.assemble("xdp", steps)).verdict, wanted, `seed ${seed}, round ${round}`);
      }
    });

    it("refuses to listen to what is no ring", () => {
      const map = programs.createMap(MAP);
      open.push(map);
      assert.throws(() => programs.listen(map, () => {}), ConfigurationError);
    });
  });
}

const OPERATIONS = Object.keys(Arithmetic).filter(
  (name) => name !== "swap" && name !== "negate" && name !== "move",
) as (keyof typeof Arithmetic)[];
const ENDS = [
  0n,
  1n,
  2n,
  31n,
  32n,
  63n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  1n << 63n,
  (1n << 64n) - 1n,
];

/** Some operations on two constants, and what the lower half of the result is by another way of calculating. */
function randomArithmetic(random: SeededRandom): { steps: asm.Piece[]; wanted: number } {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  let left = pick(ENDS);
  const steps: asm.Piece[] = [asm.constant64(6, left)];
  for (let count = 0; count < 6; count++) {
    const right = pick(ENDS);
    const operation = pick(OPERATIONS);
    const is32 = random.below(2) === 0;
    const isSigned = (operation === "divide" || operation === "modulo") && random.below(2) === 0;
    steps.push(asm.constant64(7, right));
    // The verifier takes no shift that is known to be too far.
    if (operation.startsWith("shift")) steps.push(asm.withConstant("and", 7, is32 ? 31 : 63));
    steps.push(asm.withRegister(operation, 6, 7, { is32, offset: isSigned ? 1 : 0 }));
    left = expected(operation, left, right, is32 ? 32 : 64, isSigned);
  }
  steps.push(asm.copy(0, 6), asm.exit());
  return { steps, wanted: Number(BigInt.asIntN(32, left)) };
}

function expected(name: string, left: bigint, right: bigint, bits: number, isSigned: boolean): bigint {
  const whole = (number: bigint): bigint =>
    isSigned || name === "shiftRightSigned" ? BigInt.asIntN(bits, number) : BigInt.asUintN(bits, number);
  const [a, b] = [whole(left), whole(right)];
  const count = BigInt.asUintN(bits, right) % BigInt(bits);
  const results: Record<string, () => bigint> = {
    add: () => a + b,
    subtract: () => a - b,
    multiply: () => a * b,
    divide: () => (b === 0n ? 0n : a / b),
    modulo: () => (b === 0n ? a : a % b),
    or: () => a | b,
    and: () => a & b,
    xor: () => a ^ b,
    shiftLeft: () => a << count,
    shiftRight: () => a >> count,
    shiftRightSigned: () => a >> count,
  };
  return BigInt.asUintN(bits, (results[name] as () => bigint)());
}
