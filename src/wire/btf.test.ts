import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MalformedMessageError } from "#base/errors.ts";
import { BtfTypes, encodeProgramBtf } from "./btf.ts";

/** BTF of these words as types, and these names as strings. */
function btf(types: readonly number[], names: readonly string[]): Uint8Array {
  const strings = Buffer.from(["", ...names, ""].join("\0"));
  const header = Buffer.alloc(24);
  header.writeUInt16LE(0xeb9f, 0);
  header.writeUInt8(1, 2);
  header.writeUInt32LE(24, 4);
  header.writeUInt32LE(4 * types.length, 12);
  header.writeUInt32LE(4 * types.length, 16);
  header.writeUInt32LE(strings.length, 20);
  return Buffer.concat([header, Buffer.from(Uint32Array.from(types).buffer), strings]);
}

// Places of the names: 1 box, 5 mark, 10 inner, 16 flag, 21 run, 25 ark
const NAMES = ["box", "mark", "inner", "flag", "run", "ark"];
const kind = (number: number, parts = 0, hasBits = 0): number =>
  ((hasBits << 31) | (number << 24) | parts) >>> 0;
const TYPES = [
  // 1: an integer of 32 bits
  ...[0, kind(1), 4, 32],
  // 2: a union without a name, of inner at 0 and mark at 0
  ...[0, kind(5, 2), 4, 10, 1, 0, 5, 1, 0],
  // 3: a volatile 2
  ...[0, kind(9), 2],
  // 4: struct box, with single bits: flag (1 bit at 33), the union at 64, ark at 128
  ...[1, kind(4, 3, 1), 20, 16, 1, (1 << 24) | 33, 0, 3, 64, 25, 1, 128],
  // 5: a prototype; 6: the function run; 7: a type that is named like it
  ...[0, kind(13, 1), 0, 0, 1],
  ...[21, kind(12), 5],
  ...[21, kind(8), 1],
  // 8: an array and 9: a 64-bit enumeration, only to be walked over; 10: a declaration of struct mark
  ...[0, kind(3), 0, 1, 1, 4],
  ...[0, kind(19, 1), 8, 10, 1, 0],
  ...[5, kind(4), 0],
];

describe("BtfTypes", () => {
  const types = new BtfTypes(btf(TYPES, NAMES));

  it("functionId() finds functions by their names, and nothing else of that name", () => {
    assert.equal(types.count, 10);
    assert.equal(types.functionId("run"), 6);
    for (const name of ["box", "mark", "ru", "unrun", "", "nothing"]) {
      assert.equal(types.functionId(name), undefined, name);
    }
  });

  it("structureId() finds structures that have fields", () => {
    assert.equal(types.structureId("box"), 4);
    assert.equal(types.structureId("mark"), undefined);
  });

  const rows = [
    ["box", "mark", 8],
    ["box", "inner", 8],
    ["box", "ark", 16],
    ["box", "flag", undefined],
    ["box", "run", undefined],
    ["box", "nothing", undefined],
    ["run", "mark", undefined],
  ] as const;
  for (const [structure, field, offset] of rows) {
    it(`fieldOffset() of ${structure}.${field} is ${offset}`, () => {
      assert.equal(types.fieldOffset(structure, field), offset);
    });
  }

  const bad: readonly (readonly [what: string, bytes: Uint8Array])[] = [
    ["nothing", new Uint8Array()],
    ["something else", new Uint8Array(64)],
    ["a part", btf(TYPES, NAMES).subarray(0, 100)],
    ["unknown kinds", btf([0, kind(31), 0], [])],
  ];
  for (const [what, bytes] of bad) {
    it(`the constructor refuses ${what}`, () => {
      assert.throws(() => new BtfTypes(bytes), MalformedMessageError);
    });
  }
});

describe("encodeProgramBtf()", () => {
  const lines = [
    { at: 0, file: "a.ts", text: "one();\tor", line: 3, column: 5 },
    { at: 4, file: "a.ts", text: "two();", line: 4, column: 2000 },
  ];
  const {
    types,
    functions,
    lines: records,
  } = encodeProgramBtf(
    [
      { at: 0, name: "guard" },
      { at: 7, name: "guard_7" },
    ],
    lines,
  );

  it("encodeProgramBtf() makes types that can be read", () => {
    const read = new BtfTypes(types);
    assert.deepEqual([read.functionId("guard"), read.functionId("guard_7")], [4, 5]);
  });

  it("encodeProgramBtf() says where functions begin, by their types", () => {
    assert.deepEqual([...new Uint32Array(functions.buffer)], [0, 4, 7, 5]);
  });

  it("encodeProgramBtf() gives each line its file, its text, its number and its column up to 1023", () => {
    const words = [...new Uint32Array(records.buffer)];
    assert.deepEqual([words[0], words[4]], [0, 4]);
    assert.equal(words[1], words[5], "the file is there once");
    assert.deepEqual([words[3], words[7]], [(3 << 10) | 5, (4 << 10) | 1023]);
    const strings = types.subarray(24 + new DataView(types.buffer).getUint32(12, true));
    const textAt = (at = 0): string => Buffer.from(strings.subarray(at, strings.indexOf(0, at))).toString();
    assert.deepEqual([words[1], words[2], words[6]].map(textAt), ["a.ts", "one(); or", "two();"]);
  });
});
