import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseHex } from "#base/hex.ts";
import { LinkType } from "#packet/link-type.ts";
import { type AssembleOptions, assembleFilter } from "./assemble.ts";
import { BPF_INSTRUCTIONS_MAX, Bpf, encodeBpf, formatBpf } from "./bpf.ts";
import { BpfMachine, bpfProblem } from "./bpf-machine.ts";
import { compileFilter } from "./compile.ts";
import { FilterError } from "./filter-error.ts";

const ETHERNET: AssembleOptions = { linkType: LinkType.ethernet };

/** As `tcpdump -d` prints them, jumps and all. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  "": ["ret      #262144"],
  "tcp port 80": [
    "ldh      [12]",
    "jeq      #0x86dd          jt 2\tjf 8",
    "ldb      [20]",
    "jeq      #0x6             jt 4\tjf 19",
    "ldh      [54]",
    "jeq      #0x50            jt 18\tjf 6",
    "ldh      [56]",
    "jeq      #0x50            jt 18\tjf 19",
    "jeq      #0x800           jt 9\tjf 19",
    "ldb      [23]",
    "jeq      #0x6             jt 11\tjf 19",
    "ldh      [20]",
    "jset     #0x1fff          jt 19\tjf 13",
    "ldxb     4*([14]&0xf)",
    "ldh      [x + 14]",
    "jeq      #0x50            jt 18\tjf 16",
    "ldh      [x + 16]",
    "jeq      #0x50            jt 18\tjf 19",
    "ret      #262144",
    "ret      #0",
  ],
  "tcp[13] & 2 != 0": [
    "ldh      [12]",
    "jeq      #0x800           jt 2\tjf 10",
    "ldb      [23]",
    "jeq      #0x6             jt 4\tjf 10",
    "ldh      [20]",
    "jset     #0x1fff          jt 10\tjf 6",
    "ldxb     4*([14]&0xf)",
    "ldb      [x + 27]",
    "jset     #0x2             jt 9\tjf 10",
    "ret      #262144",
    "ret      #0",
  ],
  "vlan 5 and ip": [
    "ldh      [12]",
    "jeq      #0x8100          jt 4\tjf 2",
    "jeq      #0x88a8          jt 4\tjf 3",
    "jeq      #0x9100          jt 4\tjf 10",
    "ldh      [14]",
    "and      #0xfff",
    "jeq      #0x5             jt 7\tjf 10",
    "ldh      [16]",
    "jeq      #0x800           jt 9\tjf 10",
    "ret      #262144",
    "ret      #0",
  ],
  "tcp[len] = 4": [
    "ldh      [12]",
    "jeq      #0x800           jt 2\tjf 13",
    "ldb      [23]",
    "jeq      #0x6             jt 4\tjf 13",
    "ldh      [20]",
    "jset     #0x1fff          jt 13\tjf 6",
    "ld       #pktlen",
    "ldxb     4*([14]&0xf)",
    "add      x",
    "tax",
    "ldb      [x + 14]",
    "jeq      #0x4             jt 12\tjf 13",
    "ret      #262144",
    "ret      #0",
  ],
};

/** How many instructions tcpdump 4.99 with libpcap 1.10 needs. */
const LENGTHS: Readonly<Record<string, number>> = {
  ip: 4,
  tcp: 12,
  "not tcp": 12,
  "host 1.2.3.4": 14,
  "port 80 or 443": 27,
  "host 10.0.0.1 and (port 80 or 443)": 21,
  "tcp and (port 80 or 443)": 23,
  "host 1.2.3.4 or 5.6.7.8 or 4.5.6.7": 20,
  "portrange 80-90": 27,
  "ip6 net fe80::/10": 10,
  "ether host 1:2:3:4:5:6": 10,
  "src and dst port 80": 24,
  "vlan and host 1.2.3.4 and port 80": 23,
  "mpls and mpls 5 and ip6": 15,
  "pppoes 5 and tcp port 80": 25,
  ipx: 13,
  "ip[1] = ip[2] + ip[3]": 15,
};

describe("assembleFilter()", () => {
  for (const [filter, lines] of Object.entries(PROGRAMS)) {
    test(`assembleFilter() makes of ${JSON.stringify(filter)} what tcpdump makes`, () => {
      const program = assembleFilter(filter, ETHERNET);
      const numbered = lines.map((line, index) => `(${String(index).padStart(3, "0")}) ${line}`);
      assert.deepEqual(formatBpf(program).split("\n"), numbered);
      assert.equal(bpfProblem(program), undefined);
    });
  }

  for (const [filter, length] of Object.entries(LENGTHS)) {
    test(`assembleFilter() needs ${length} instructions for ${filter}, as tcpdump does`, () => {
      assert.equal(assembleFilter(filter, ETHERNET).length, length);
    });
  }

  test("assembleFilter() returns the snap length that it is given", () => {
    assert.equal(assembleFilter("", { ...ETHERNET, snapLengthBytes: 96 })[0]?.constant, 96);
  });

  test("assembleFilter() jumps over more than 255 instructions", () => {
    const hosts = (count: number): string =>
      `host ${Array.from({ length: count }, (_, at) => `10.0.${at >> 8}.${at & 255}`).join(" or ")}`;
    const program = assembleFilter(hosts(900), ETHERNET);
    assert.equal(bpfProblem(program), undefined);
    assert.ok(program.some(({ code }) => code === Bpf.jump));
    const machine = new BpfMachine(program);
    const compiled = compileFilter(hosts(900), ETHERNET);
    for (const [last, isOne] of [
      [[0, 0], true],
      [[3, 131], true],
      [[3, 132], false],
      [[9, 9], false],
    ] as const) {
      const packet = new Uint8Array(60);
      packet.set([8, 0, 0x45], 12);
      packet.set([10, 0, ...last], 30);
      assert.equal(machine.run(packet, 0, 60, 60) > 0, isOne, String(last));
      assert.equal(compiled(packet, 0, 60, 60), isOne, String(last));
    }
    assert.throws(
      () => assembleFilter(hosts(1500), ETHERNET),
      /needs \d+ instructions, the kernel takes 4096/,
    );
  });

  test("assembleFilter() says where arithmetic needs more memory than there is", () => {
    const deep = `len = ${"(len + ip[0]) * (".repeat(17)}1${" + ip[1])".repeat(17)}`;
    const check = (): void => assert.equal(bpfProblem(assembleFilter(deep, ETHERNET)), undefined);
    assert.throws(check, (error) => error instanceof FilterError && /16 words of memory/.test(error.message));
  });

  const TAGGED = parseHex(
    `ffffffffffff0102030405068100000508004500001c00000000ff11000001020304050607080035003500080000`,
  );
  const TAG = 0xfffff02c;
  const PRESENT = 0xfffff030;
  const TYPE = 0xfffff004;

  test("assembleFilter() with ancillaryVlan finds a tag where the kernel has it, and where it is in the bytes", () => {
    const bare = new Uint8Array([...TAGGED.subarray(0, 12), ...TAGGED.subarray(16)]);
    const filters = [
      "vlan 5",
      "vlan and ip",
      "vlan 5 and udp port 53",
      "vlan and udp[4:2] = 8",
      "vlan and host 1.2.3.4",
    ];
    for (const filter of filters) {
      const program = assembleFilter(filter, { ...ETHERNET, ancillaryVlan: true });
      assert.equal(bpfProblem(program), undefined);
      const machine = new BpfMachine(program);
      assert.ok(machine.run(TAGGED, 0, TAGGED.length, TAGGED.length) > 0, `${filter} in the bytes`);
      assert.equal(machine.run(bare, 0, bare.length, bare.length), 0, `${filter} nowhere`);
      machine.ancillary.set(PRESENT, 1).set(TAG, 0x6005);
      assert.ok(machine.run(bare, 0, bare.length, bare.length) > 0, `${filter} beside the bytes`);
    }
    const other = new BpfMachine(assembleFilter("vlan 6", { ...ETHERNET, ancillaryVlan: true }));
    other.ancillary.set(PRESENT, 1).set(TAG, 0x6005);
    assert.equal(other.run(bare, 0, bare.length, bare.length), 0);
  });

  test("assembleFilter() with ancillaryVlan knows the direction of Ethernet frames", () => {
    const machine = new BpfMachine(assembleFilter("inbound", { ...ETHERNET, ancillaryVlan: true }));
    assert.ok(machine.run(TAGGED, 0, 60, 60) > 0);
    machine.ancillary.set(TYPE, 4);
    assert.equal(machine.run(TAGGED, 0, 60, 60), 0);
    assert.throws(() => assembleFilter("inbound", ETHERNET), FilterError);
  });
});

test("encodeBpf() writes struct sock_filter, little-endian", () => {
  const program = [{ code: 0x15, jumpTrue: 1, jumpFalse: 2, constant: 0x86dd }];
  assert.deepEqual([...encodeBpf(program)], [0x15, 0, 1, 2, 0xdd, 0x86, 0, 0]);
});

describe("BpfMachine", () => {
  const ret = { code: Bpf.returnConstant, jumpTrue: 0, jumpFalse: 0, constant: 1 };
  const step = (code: number, constant = 0, jumpTrue = 0, jumpFalse = 0) => ({
    code,
    jumpTrue,
    jumpFalse,
    constant,
  });
  const REFUSED = [
    ["nothing", [], /0 instructions/],
    ["too much", new Array(BPF_INSTRUCTIONS_MAX + 1).fill(ret), /4097 instructions/],
    ["no return at the end", [step(Bpf.loadByte)], /does not end/],
    ["a jump out", [step(Bpf.jump, 1), ret], /jumps out/],
    ["a comparison that jumps out", [step(Bpf.jumpEqual, 0, 0, 1), ret], /jumps out/],
    ["an unknown code", [step(0xff), ret], /unknown code/],
    ["a division by 0", [step(Bpf.divide), ret], /division/],
    ["a long shift", [step(Bpf.shiftLeft, 32), ret], /shift/],
    ["a word that is none", [step(Bpf.store, 16), ret], /no such word/],
    [
      "a word that one way has not written",
      [step(Bpf.jumpEqual, 0, 1), step(Bpf.store), step(Bpf.loadMemory), ret],
      /not written/,
    ],
  ] as const;
  for (const [what, program, problem] of REFUSED) {
    test(`BpfMachine refuses ${what}, as the kernel does`, () => {
      assert.throws(() => new BpfMachine(program), problem);
    });
  }

  test("BpfMachine ends with 0 where a load leads out, or X is 0 in a division", () => {
    const bytes = new Uint8Array([1, 2, 3, 4, 5]);
    for (const code of [Bpf.loadWord, Bpf.loadHalf, Bpf.loadByte]) {
      assert.equal(new BpfMachine([step(code, 5), ret]).run(bytes, 0, 5, 5), 0);
      assert.equal(new BpfMachine([step(code, 0), ret]).run(bytes, 1, 4, 5), 1);
    }
    assert.equal(
      new BpfMachine([step(Bpf.loadWord, 1), ret]).run(bytes, 1, 9, 9),
      0,
      "more is said than is there",
    );
    assert.equal(new BpfMachine([step(Bpf.divide | Bpf.withX), ret]).run(bytes, 0, 5, 5), 0);
  });

  test("BpfMachine counts on 32 bits without a sign", () => {
    const run = (...steps: readonly ReturnType<typeof step>[]): number =>
      new BpfMachine([...steps, step(Bpf.returnA)]).run(new Uint8Array([0xff, 0xff, 0xff, 0xfe]), 0, 4, 7);
    assert.equal(run(step(Bpf.loadWord)), 0xfffffffe);
    assert.equal(run(step(Bpf.loadWord), step(Bpf.add, 5)), 3);
    assert.equal(run(step(Bpf.loadWord), step(Bpf.multiply, 3)), 0xfffffffa);
    assert.equal(run(step(Bpf.loadWord), step(Bpf.negate)), 2);
    assert.equal(run(step(Bpf.loadWord), step(Bpf.divide, 2)), 0x7fffffff);
    assert.equal(
      run(
        step(Bpf.loadLength),
        step(Bpf.moveToX),
        step(Bpf.loadImmediate, 1),
        step(Bpf.shiftLeft | Bpf.withX),
      ),
      128,
    );
    assert.equal(run(step(Bpf.loadXHeaderLength, 3), step(Bpf.moveToA)), 56);
    assert.equal(run(step(Bpf.loadXImmediate, 0xffffffff), step(Bpf.loadByteIndirect, 4)), 0xfe);
  });
});
