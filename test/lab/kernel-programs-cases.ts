/**
 * What every {@link KernelPrograms} promises, wherever its programs run: maps of all kinds, loading, test runs, events.
 * Attaching is left to where there is a network.
 * @module
 */
import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { ConfigurationError } from "#base/errors.ts";
import {
  type KernelMap,
  type KernelMapSpec,
  type KernelPrograms,
  ProgramRefusedError,
} from "#io/kernel-programs.ts";
import {
  add,
  addRegister,
  answer,
  assemble,
  atomicAdd,
  call,
  copy,
  exit,
  load,
  mapAddress,
  mapValue,
  type Piece,
  set,
  skipIf,
  skipIfGreater,
  stackPlace,
  store,
  storeConstant,
} from "../support/ebpf-assembly.ts";

/** A UDP packet of 28 bytes, without and with Ethernet in front. */
export const IPV4_PACKET: Uint8Array = Uint8Array.from(
  Buffer.from("4500001c000100004011e6c00a0000010a00000200350035000800ab".slice(0, 56), "hex"),
);
export const FRAME: Uint8Array = Uint8Array.of(
  ...[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0],
  ...IPV4_PACKET,
  ...new Uint8Array(18),
);

export const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
export const u64 = (value: bigint | number): Uint8Array =>
  new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const read64 = (bytes: Uint8Array | undefined, lane = 0): bigint | undefined =>
  bytes && new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(8 * lane, true);

/** Adds 1 to the value of key 0 of a map, if it is there, and answers 1. */
export const counting = (map: string): readonly Piece[] => [
  storeConstant(4, 10, -4, 0),
  ...stackPlace(2, -4),
  mapAddress(1, map),
  call("mapLookUp"),
  skipIf(0, 0, 2),
  set(1, 1),
  atomicAdd(0, 0, 1),
  ...answer(1),
];

/** The suite; `make` gives a fresh machine or the one that there is. */
export function kernelProgramsCases(
  name: string,
  make: () => KernelPrograms,
  skip: string | false = false,
): void {
  describe(`${name}: maps`, { skip }, () => mapCases(make));
  describe(`${name}: programs`, { skip }, () => programCases(make));
  describe(`${name}: events`, { skip }, () => eventCases(make));
}

/** What only a kernel with a verifier does. */
export function verifierCases(name: string, make: () => KernelPrograms, skip: string | false): void {
  describe(`${name}: verifier`, { skip }, () => refusalCases(make));
}

function mapCases(make: () => KernelPrograms): void {
  const open: KernelMap[] = [];
  const create = (spec: Partial<KernelMapSpec> & Pick<KernelMapSpec, "kind">): KernelMap => {
    const map = make().createMap({ name: "m", keyBytes: 4, valueBytes: 8, countMax: 4, ...spec });
    open.push(map);
    return map;
  };
  afterEach(() => {
    for (const map of open.splice(0)) map.close();
  });

  for (const kind of ["hash", "lru", "per-cpu-hash", "per-cpu-lru"] as const) {
    it(`a ${kind} map keeps what is set and forgets what is deleted`, () => {
      const map = create({ kind });
      assert.equal(map.get(u32(7)), undefined);
      assert.equal(map.delete(u32(7)), false);
      assert.equal(map.set(u32(7), u64(70), "existing"), false);
      assert.equal(map.set(u32(7), u64(70), "new"), true);
      assert.equal(map.set(u32(7), u64(71), "new"), false);
      assert.equal(map.set(u32(7), u64(72), "existing"), true);
      assert.equal(read64(map.get(u32(7))), 72n);
      assert.deepEqual(
        [...map.entries()].map(([key, value]) => [key[0], read64(value)]),
        [[7, 72n]],
      );
      assert.equal(map.delete(u32(7)), true);
      assert.deepEqual([...map.entries()], []);
    });
  }

  for (const kind of ["array", "per-cpu-array"] as const) {
    it(`a map of kind ${kind} has all entries from the start, and none beyond`, () => {
      const map = create({ kind });
      assert.equal(read64(map.get(u32(3))), 0n);
      assert.equal(map.get(u32(4)), undefined);
      assert.equal(map.set(u32(4), u64(1)), false);
      assert.equal(map.set(u32(3), u64(9), "new"), false);
      assert.equal(map.set(u32(3), u64(9)), true);
      assert.equal(map.delete(u32(3)), false);
      assert.deepEqual(
        [...map.entries()].map(([, value]) => read64(value)),
        [0n, 0n, 0n, 9n],
      );
    });
  }

  it("a full hash map refuses what is new, and a full LRU map does not", () => {
    const hash = create({ kind: "hash", countMax: 8 });
    const refused = Array.from({ length: 9 }, (_, index) => hash.set(u32(index), u64(index))).indexOf(false);
    assert.equal(refused, 8);
    const recent = create({ kind: "lru", countMax: 512 });
    for (let index = 0; index < 4000; index++) assert.equal(recent.set(u32(index), u64(index)), true);
    assert.ok([...recent.entries()].length <= 512);
    assert.equal(read64(recent.get(u32(3999))), 3999n);
  });

  it("a per-processor value set as one is in one lane, and all lanes are set at once", () => {
    const map = create({ kind: "per-cpu-array", countMax: 1, valueBytes: 8 });
    map.set(u32(0), u64(5));
    const lanes = map.get(u32(0)) ?? new Uint8Array();
    const values = Array.from({ length: lanes.length / 8 }, (_, lane) => read64(lanes, lane) ?? 0n);
    assert.equal(
      values.reduce((sum, value) => sum + value, 0n),
      5n,
    );
    map.set(u32(0), lanes.slice().fill(1));
    assert.deepEqual(map.get(u32(0)), lanes.slice().fill(1));
  });

  it("lanes of values that are no multiple of 8 bytes are padded", () => {
    const map = create({ kind: "per-cpu-array", countMax: 1, valueBytes: 5 });
    map.set(u32(0), Uint8Array.of(1, 2, 3, 4, 5));
    assert.equal((map.get(u32(0))?.length ?? 1) % 8, 0);
    assert.deepEqual([...(map.get(u32(0)) ?? [])].slice(0, 8), [1, 2, 3, 4, 5, 0, 0, 0]);
  });

  it("a prefix map finds the longest prefix that fits", () => {
    const map = create({ kind: "prefix", keyBytes: 8, countMax: 2 });
    const key = (bits: number, ...address: number[]): Uint8Array => Uint8Array.of(...u32(bits), ...address);
    assert.ok(map.set(key(8, 10, 0, 0, 0), u64(8)));
    assert.ok(map.set(key(24, 10, 1, 2, 0), u64(24)));
    assert.equal(map.set(key(16, 10, 9, 0, 0), u64(1)), false);
    assert.equal(read64(map.get(key(32, 10, 1, 2, 3))), 24n);
    assert.equal(read64(map.get(key(32, 10, 7, 7, 7))), 8n);
    assert.equal(map.get(key(32, 11, 0, 0, 1)), undefined);
    assert.deepEqual([...map.entries()].map(([prefix]) => prefix[0]).sort(), [24, 8]);
    assert.equal(map.delete(key(24, 10, 1, 2, 0)), true);
    assert.equal(read64(map.get(key(32, 10, 1, 2, 3))), 8n);
  });

  it("a walk sees every entry once", () => {
    const map = create({ kind: "hash", countMax: 5000 });
    for (let index = 0; index < 5000; index++) map.set(u32(index), u64(index));
    const seen = [...map.entries()].map(([key, value]) => {
      assert.equal(read64(value), BigInt(new DataView(key.buffer, key.byteOffset).getUint32(0, true)));
      return read64(value);
    });
    assert.equal(seen.length, 5000);
    assert.equal(new Set(seen).size, 5000);
  });

  it("a frozen map cannot be written", () => {
    const map = create({ kind: "array", countMax: 2, frozen: Uint8Array.of(...u64(1), ...u64(2)) });
    assert.equal(map.set(u32(0), u64(3)), false);
    assert.deepEqual(
      [...map.entries()].map(([, value]) => read64(value)),
      [1n, 2n],
    );
  });

  it("keys and values of the wrong length are refused", () => {
    const map = create({ kind: "hash" });
    assert.throws(() => map.get(u64(0)), ConfigurationError);
    assert.throws(() => map.set(u32(0), u32(0)), ConfigurationError);
  });
}

function programCases(make: () => KernelPrograms): void {
  const verdicts = [
    ["netfilter", IPV4_PACKET, 0],
    ["netfilter", IPV4_PACKET, 1],
    ["tcx-ingress", FRAME, -1],
    ["tcx-egress", FRAME, 2],
    ["xdp", FRAME, 1],
  ] as const;
  for (const [type, packet, verdict] of verdicts) {
    it(`a program of type ${type} answers ${verdict}, and the packet stays as it was`, () => {
      const program = make().load(assemble(type, answer(verdict)), new Map());
      const run = program.test(packet);
      assert.equal(run.verdict, verdict);
      assert.deepEqual(run.bytes, packet);
      program.close();
    });
  }

  it("a netfilter program is run over an IPv6 packet", () => {
    const program = make().load(assemble("netfilter", answer(1)), new Map());
    assert.equal(program.test(Uint8Array.of(0x60, 0, 0, 0, 0, 0, 59, 64, ...new Uint8Array(32))).verdict, 1);
    program.close();
  });

  it("a program counts in a map that load() made, once for each repetition", () => {
    const maps = new Map<string, KernelMap>();
    const spec = { name: "counts", kind: "array", keyBytes: 4, valueBytes: 8, countMax: 1 } as const;
    const program = make().load(assemble("netfilter", counting("counts"), { maps: [spec] }), maps);
    program.test(IPV4_PACKET);
    program.test(IPV4_PACKET, { repeat: 10 });
    assert.equal(read64(maps.get("counts")?.get(u32(0))), 11n);
    program.close();
    maps.get("counts")?.close();
  });

  it("two programs share a map by its name, and one of another shape is refused", () => {
    const system = make();
    const spec = { name: "counts", kind: "hash", keyBytes: 4, valueBytes: 8, countMax: 1 } as const;
    const maps = new Map<string, KernelMap>([["counts", system.createMap(spec)]]);
    maps.get("counts")?.set(u32(0), u64(100));
    const image = assemble("xdp", counting("counts"), { maps: [spec] });
    const programs = [system.load(image, maps), system.load(image, maps)];
    for (const program of programs) program.test(FRAME);
    assert.equal(read64(maps.get("counts")?.get(u32(0))), 102n);
    const other = { ...image, maps: [{ ...spec, valueBytes: 16 }] };
    assert.throws(() => system.load(other, maps), ConfigurationError);
    for (const one of [...programs, ...maps.values()]) one.close();
  });

  it("a frozen array's values are read where they stand", () => {
    const frozen = Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0);
    const spec = { name: "table", kind: "array", keyBytes: 4, valueBytes: 8, countMax: 1, frozen } as const;
    const pieces = [mapValue(1, "table", 4), load(4, 0, 1, 0), exit()];
    const maps = new Map<string, KernelMap>();
    // Within 0 and 1, which the verifier only knows because nobody can change it.
    const program = make().load(assemble("netfilter", pieces, { maps: [spec] }), maps);
    assert.equal(program.test(IPV4_PACKET).verdict, 1);
    for (const one of [program, ...maps.values()]) one.close();
  });

  for (const [type, data, end] of [
    ["tcx-ingress", 76, 80],
    ["xdp", 0, 4],
  ] as const) {
    it(`a program of type ${type} writes a packet's byte, and reads one`, () => {
      const pieces = [
        load(4, 2, 1, data),
        load(4, 3, 1, end),
        copy(4, 2),
        add(4, 14),
        skipIfGreater(4, 3, 3),
        storeConstant(1, 2, 0, 0xee),
        load(1, 0, 2, 12),
        exit(),
        ...answer(0),
      ];
      const program = make().load(assemble(type, pieces), new Map());
      const run = program.test(FRAME);
      assert.equal(run.verdict, 8);
      assert.deepEqual(run.bytes, FRAME.with(0, 0xee));
      program.close();
    });
  }

  it("a tcx program reads the mark and sets it", () => {
    const pieces = [load(4, 2, 1, 8), add(2, 100), store(4, 1, 8, 2), ...answer(-1)];
    const program = make().load(assemble("tcx-ingress", pieces), new Map());
    assert.equal(program.test(FRAME, { mark: 7 }).mark, 107);
    assert.equal(program.test(FRAME).mark, 100);
    program.close();
  });

  it("a packet too short for its type is refused", () => {
    const program = make().load(assemble("tcx-ingress", answer(0)), new Map());
    assert.throws(() => program.test(new Uint8Array(13)), ConfigurationError);
    program.close();
  });
}

function refusalCases(make: () => KernelPrograms): void {
  it("a program that is taken tells how many instructions were walked through", () => {
    const program = make().load(assemble("xdp", answer(1)), new Map());
    assert.ok(program.verifiedCount >= 2);
    program.close();
  });

  it("a program that reads a register it never set is refused, with the script's line", () => {
    const texts = ["const one = 1;", "return nothing;", "}"];
    const image = assemble("netfilter", [set(1, 1), addRegister(0, 1), exit()], { texts });
    const maps = new Map<string, KernelMap>();
    assert.throws(
      () => make().load(image, maps),
      (error) => {
        assert.ok(error instanceof ProgramRefusedError);
        assert.equal(error.instruction, 1);
        assert.equal(error.line?.text, "return nothing;");
        assert.equal(error.line.line, 2);
        assert.match(error.reason, /R0/);
        assert.match(error.message, /script\.ts:2:3 `return nothing;`/);
        assert.ok(error.log.includes(error.reason));
        return true;
      },
    );
  });

  it("a program that ends without an answer is refused", () => {
    assert.throws(() => make().load(assemble("xdp", [set(0, 1)]), new Map()), ProgramRefusedError);
  });

  it("a refused program leaves no maps behind", () => {
    const spec = { name: "counts", kind: "hash", keyBytes: 4, valueBytes: 8, countMax: 1 } as const;
    const maps = new Map<string, KernelMap>();
    assert.throws(() => make().load(assemble("xdp", [exit()], { maps: [spec] }), maps), ProgramRefusedError);
    assert.equal(maps.size, 0);
  });
}

function eventCases(make: () => KernelPrograms): void {
  /** Emits the packet's length and a constant: 8 bytes. */
  const emitting = [
    load(4, 2, 1, 0),
    store(4, 10, -8, 2),
    storeConstant(4, 10, -4, 77),
    mapAddress(1, "events"),
    ...stackPlace(2, -8),
    set(3, 8),
    set(4, 0),
    call("ringOutput"),
    ...answer(0),
  ];
  const ring = { name: "events", kind: "ring", keyBytes: 0, valueBytes: 0, countMax: 4096 } as const;

  it("events arrive in their order, and none after the close", async () => {
    const system = make();
    const maps = new Map<string, KernelMap>();
    const program = system.load(assemble("tcx-ingress", emitting, { maps: [ring] }), maps);
    const map = maps.get("events");
    assert.ok(map);
    const seen: number[] = [];
    const listener = system.listen(map, (bytes) => {
      assert.equal(bytes.length, 8);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      assert.equal(view.getUint32(4, true), 77);
      seen.push(view.getUint32(0, true));
    });
    const lengths = Array.from({ length: 30 }, (_, index) => 60 + index);
    for (const length of lengths) program.test(new Uint8Array(length));
    await until(() => seen.length >= lengths.length);
    assert.deepEqual(seen, lengths);
    listener.close();
    listener.close();
    program.test(new Uint8Array(99));
    await pause(20);
    assert.equal(seen.length, lengths.length);
    for (const one of [program, map]) one.close();
  });

  it("a ring that nobody reads loses events, and goes on once it is read", async () => {
    const system = make();
    const maps = new Map<string, KernelMap>();
    const program = system.load(assemble("tcx-ingress", emitting, { maps: [ring] }), maps);
    const map = maps.get("events");
    assert.ok(map);
    program.test(new Uint8Array(64), { repeat: 10_000 });
    let count = 0;
    const listener = system.listen(map, () => count++);
    await until(() => count >= 200);
    // 16 bytes each with its header; the last place of all stays empty.
    assert.ok(count <= 4096 / 16, `${count} events in 4096 bytes`);
    const before = count;
    program.test(new Uint8Array(64), { repeat: 100 });
    await until(() => count >= before + 100);
    listener.close();
    for (const one of [program, map]) one.close();
  });
}

/** Waits until something holds, ten seconds at most. */
export async function until(holds: () => boolean): Promise<void> {
  for (let count = 0; !holds() && count < 1000; count++) await pause(10);
  assert.ok(holds(), "it did not come about in ten seconds");
}
