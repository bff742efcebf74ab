import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatHex, parseHex } from "#base/hex.ts";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { hours, milliseconds, minutes } from "#base/time.ts";
import { decodeNetlinkMessages } from "./netlink.ts";
import {
  decodeNftElements,
  decodeNftKey,
  decodeNftRule,
  decodeNftTable,
  encodeNftBatch,
  encodeNftGetElement,
  encodeNftGetSet,
  encodeNftListElements,
  encodeNftListRules,
  encodeNftListTables,
  type KeyType,
  NFT_NEWSETELEM,
  type NftOperation,
  nftBatchSequenceCount,
} from "./nftables.ts";

const client = mac("02:00:00:00:00:01");

/** The bytes between the messages that begin and end a batch (20 bytes each). */
function innerBytes(operation: NftOperation): string {
  return formatHex(encodeNftBatch(0, [operation]).subarray(20, -20));
}

function golden(text: string): string {
  return formatHex(parseHex(text.replace(/#.*$/gm, "")));
}

// Bytes as nft 1.0.6 sends them, without its optional set id, and with the acknowledgement asked for.
const OPERATIONS: { command: string; operation: NftOperation; bytes: string }[] = [
  {
    command: "nft add element inet metanet up4 '{ 02:00:00:00:00:01 . 10.77.0.5 timeout 1h : 0x1 }'",
    operation: {
      do: "add-elements",
      table: "metanet",
      set: "up4",
      elements: [{ key: [client, ip("10.77.0.5")], timeout: hours(1), mark: 1 }],
    },
    bytes: `
      5c000000 0c0a 0504 01000000 00000000  # 92 bytes, NEWSETELEM, REQUEST|ACK|CREATE, sequence 1, port 0
      01 00 0000                            # inet, version 0, resource 0
      0c00 0100 6d6574616e657400            # table "metanet"
      0800 0200 75703400                    # set "up4"
      3400 0380 3000 0180                   # elements, element
      0c00 0400 000000000036ee80            # timeout 3,600,000 ms
      1400 0180 1000 0100                   # key, value
      020000000001 0000 0a4d0005            # the MAC address padded to eight, the address
      0c00 0280 0800 0100 01000000          # data, value: mark 1 in the machine's order`,
  },
  {
    command:
      "nft add element inet metanet down4 '{ 10.77.0.5 counter packets 3 bytes 300 timeout 1h expires 30m : 0x1 }'",
    operation: {
      do: "add-elements",
      table: "metanet",
      set: "down4",
      elements: [
        {
          key: [ip("10.77.0.5")],
          timeout: hours(1),
          expiresIn: minutes(30),
          mark: 1,
          counter: { packets: 3, bytes: 300 },
        },
      ],
    },
    bytes: `
      90000000 0c0a 0504 01000000 00000000
      01 00 0000
      0c00 0100 6d6574616e657400
      0a00 0200 646f776e3400 0000           # set "down4", two bytes of padding
      6400 0380 6000 0180
      0c00 0400 000000000036ee80            # timeout
      0c00 0500 00000000001b7740            # expires in 1,800,000 ms
      0c00 0180 0800 0100 0a4d0005          # key: one part, no padding
      0c00 0280 0800 0100 01000000
      2c00 0780                             # expression
      0c00 0100 636f756e74657200            # "counter"
      1c00 0280
      0c00 0100 000000000000012c            # 300 bytes
      0c00 0200 0000000000000003            # 3 packets`,
  },
  {
    command: "nft delete element inet metanet up6 '{ 02:00:00:00:00:01 . 2001:db8::5 }'",
    operation: {
      do: "remove-elements",
      table: "metanet",
      set: "up6",
      elements: [{ key: [client, ip("2001:db8::5")], mark: 1, timeout: hours(1) }],
    },
    bytes: `
      50000000 0e0a 0500 01000000 00000000  # DELSETELEM, REQUEST|ACK
      01 00 0000
      0c00 0100 6d6574616e657400
      0800 0200 75703600
      2800 0380 2400 0180 2000 0180 1c00 0100
      020000000001 0000 20010db8000000000000000000000005  # key only`,
  },
  {
    command: "nft 'create table inet metanet-on-lan0 { flags owner; }' (from a client that knows the flag)",
    operation: { do: "add-owned-table", table: "metanet-on-lan0" },
    bytes: `
      30000000 000a 0506 01000000 00000000  # NEWTABLE, REQUEST|ACK|CREATE|EXCL
      01 00 0000
      1400 0100 6d6574616e65742d6f6e2d6c616e3000
      0800 0200 00000002                    # flags: owner`,
  },
  {
    command: "nft delete table inet metanet",
    operation: { do: "remove-table", table: "metanet" },
    bytes: `
      20000000 020a 0500 01000000 00000000
      01 00 0000
      0c00 0100 6d6574616e657400`,
  },
];

describe("encodeNftBatch()", () => {
  for (const { command, operation, bytes } of OPERATIONS) {
    test(`writes the bytes of: ${command}`, () => {
      assert.equal(innerBytes(operation), golden(bytes));
    });
  }

  test("frames the operations, numbers them and asks only the last one for an acknowledgement", () => {
    const operation: NftOperation = { do: "remove-table", table: "metanet" };
    const messages = decodeNetlinkMessages(encodeNftBatch(70, [operation, operation, operation]));
    assert.deepEqual(
      messages?.map(({ type, flags, sequence }) => [type, flags, sequence]),
      [
        [0x10, 1, 70],
        [0xa02, 1, 71],
        [0xa02, 1, 72],
        [0xa02, 5, 73],
        [0x11, 1, 74],
      ],
    );
    assert.equal(messages.length, nftBatchSequenceCount(3));
    assert.equal(formatHex(messages[0]!.body), "0000000a");
    assert.equal(formatHex(messages[4]!.body), "0000000a");
  });
});

const REQUESTS: [command: string, bytes: Uint8Array, expected: string][] = [
  [
    "nft list map inet metanet down4 (elements)",
    encodeNftListElements(0, "metanet", "down4"),
    `2c000000 0d0a 0103 00000000 00000000 01000000
     0c00 0100 6d6574616e657400 0a00 0200 646f776e3400 0000`,
  ],
  [
    "nft list map inet metanet up4 (its declaration)",
    encodeNftGetSet(9, "metanet", "up4"),
    `28000000 0a0a 0500 09000000 00000000 01000000 0c00 0100 6d6574616e657400 0800 0200 75703400`,
  ],
  [
    "nft get element inet metanet down4 '{ 10.77.0.5 }'",
    encodeNftGetElement(3, "metanet", "down4", [ip("10.77.0.5")]),
    `40000000 0d0a 0500 03000000 00000000 01000000
     0c00 0100 6d6574616e657400 0a00 0200 646f776e3400 0000
     1400 0380 1000 0180 0c00 0180 0800 0100 0a4d0005`,
  ],
  [
    "nft -a list table inet metanet (its rules)",
    encodeNftListRules(4, "metanet"),
    "20000000 070a 0103 04000000 00000000 01000000 0c00 0100 6d6574616e657400",
  ],
  ["nft list tables inet", encodeNftListTables(2), "14000000 010a 0103 02000000 00000000 01000000"],
];

for (const [command, bytes, expected] of REQUESTS) {
  test(`a request has the bytes of: ${command}`, () => assert.equal(formatHex(bytes), golden(expected)));
}

// What Linux 6.18 answered to: nft list map inet metanet down4
const LISTED = `
  90000000 0c0a 0200 00000000 c2210000      # NEWSETELEM, MULTI
  01 00 0005                                # inet, generation 5
  0c00 0100 6d6574616e657400
  0a00 0200 646f776e3400 0000
  6400 0300 6000 0100
  0c00 0100 0800 0100 0a4d0005              # key
  0c00 0200 0800 0100 01000000              # mark
  2c00 0700 0c00 0100 636f756e74657200 1c00 0200
  0c00 0100 000000000000012c 0c00 0200 0000000000000003
  0c00 0400 000000000036ee80                # timeout
  0c00 0500 00000000001b7714                # expires in
  30000000 0c0a 0200 00000000 c2210000      # the last message of the list has no elements
  01 00 0005
  0c00 0100 6d6574616e657400
  0a00 0200 646f776e3400 0000
  0400 0300
  14000000 0300 0200 00000000 c2210000 00000000  # DONE`;

describe("decodeNftElements()", () => {
  const messages = decodeNetlinkMessages(parseHex(golden(LISTED))) ?? [];

  test("reads key, mark, counter, timeout and what is left of it", () => {
    const [first, second] = messages;
    assert.equal(first?.type, NFT_NEWSETELEM);
    assert.deepEqual(decodeNftElements(first!.body, ["ipv4_addr"]), {
      table: "metanet",
      set: "down4",
      elements: [
        {
          key: [ip("10.77.0.5")],
          mark: 1,
          counter: { packets: 3, bytes: 300 },
          timeout: hours(1),
          expiresIn: milliseconds(1_799_956),
        },
      ],
    });
    assert.deepEqual(decodeNftElements(second!.body, ["ipv4_addr"])?.elements, []);
  });

  test("gives undefined for a key of another type than asked for", () => {
    assert.equal(decodeNftElements(messages[0]!.body, ["ipv6_addr"]), undefined);
    assert.equal(decodeNftElements(messages[0]!.body, ["ether_addr", "ipv4_addr"]), undefined);
  });

  test("gives undefined for every cut that splits an attribute, and never throws", () => {
    const { body } = messages[0]!;
    for (let length = 0; length < body.length; length++) {
      const decoded = decodeNftElements(body.slice(0, length), ["ipv4_addr"]);
      assert.ok(decoded === undefined || decoded.elements.length === 0, `cut at ${length}`);
    }
  });
});

const arbitraryElement = fc.record(
  {
    mark: fc.integer({ min: 0, max: 0xffffffff }),
    timeout: fc.integer({ min: 1, max: 2 ** 40 }).map(milliseconds),
    counter: fc.record({ packets: fc.maxSafeNat(), bytes: fc.maxSafeNat() }, { noNullPrototype: true }),
  },
  { requiredKeys: [], noNullPrototype: true },
);

test("elements survive being written and read, whatever is in them", () => {
  const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
    fc.uint8Array({ minLength: length, maxLength: length });
  fc.assert(
    fc.property(bytesOf(6), bytesOf(16), arbitraryElement, (macBytes, ipBytes, rest) => {
      const element = { key: [mac(macBytes), ip(ipBytes)], ...rest };
      const batch = encodeNftBatch(1, [
        { do: "add-elements", table: "t", set: "s", elements: [element, element] },
      ]);
      const body = decodeNetlinkMessages(batch)?.[1]?.body ?? new Uint8Array();
      const decoded = decodeNftElements(body, ["ether_addr", "ipv6_addr"]);
      assert.deepEqual(decoded, { table: "t", set: "s", elements: [element, element] });
    }),
  );
});

test("decoders give a value or undefined for any bytes, and read nothing outside of them", () => {
  const types = fc.constantFrom<KeyType[]>(["ipv4_addr"], ["ipv6_addr"], ["ether_addr", "ipv4_addr"]);
  const valid = decodeNetlinkMessages(parseHex(golden(LISTED)))![0]!.body;
  // Half of the inputs are a real message with some bytes changed: they get further in than noise does.
  const damaged = fc
    .array(fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 8 })
    .map((changes) => {
      const bytes = valid.slice();
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged), types, (bytes, keyTypes) => {
      const decode = (input: Uint8Array): unknown => [
        decodeNftElements(input, keyTypes),
        decodeNftTable(input),
        decodeNftRule(input),
        decodeNftKey(input, keyTypes),
      ];
      // The same bytes between other bytes must mean the same.
      const surrounded = new Uint8Array(bytes.length + 64).fill(0xa5);
      surrounded.set(bytes, 32);
      assert.deepEqual(decode(surrounded.subarray(32, 32 + bytes.length)), decode(bytes));
    }),
    { numRuns: 2000 },
  );
});

test("decodeNftTable() reads the name and who owns it", () => {
  const plain = "01000000 0c00 0100 6d6574616e657400 0800 0200 00000000";
  assert.deepEqual(decodeNftTable(parseHex(plain)), { name: "metanet" });
  assert.deepEqual(decodeNftTable(parseHex(`${plain} 0800 0700 000021ab`)), { name: "metanet", owner: 8619 });
});

test("decodeNftRule() reads the chain and the handle", () => {
  const rule = "01000005 0c00 0100 6d6574616e657400 0c00 0200 666f727761726400 0c00 0300 000000000000001a";
  assert.deepEqual(decodeNftRule(parseHex(rule)), { chain: "forward", handle: 26 });
  assert.equal(decodeNftRule(parseHex("01000005 0c00 0200 666f727761726400")), undefined);
});
