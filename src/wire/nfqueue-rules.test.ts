import assert from "node:assert/strict";
import { test } from "node:test";
import { formatHex, parseHex } from "#base/hex.ts";
import {
  decodeNetlinkAttributes,
  decodeNetlinkMessages,
  findAttribute,
  findNested,
  NetlinkWriter,
} from "./netlink.ts";
import { decodeRuleContent, encodeAddQueueRule, encodeRemoveTable } from "./nfqueue-rules.ts";

const PLACE = { family: "bridge", table: "t", chain: "c" } as const;
const TARGET = { queueNumber: 258, queueCount: 3, bypass: true };

test("encodeAddQueueRule() writes the kernel's own expression, or the target of iptables", () => {
  for (const [way, expected] of [
    ["queue", { 1: "0102", 2: "0003", 3: "0001" }],
    ["target", { 1: formatHex(Buffer.from("NFQUEUE\0")), 2: "00000003", 3: "0201030001000000" }],
  ] as const) {
    const messages = decodeNetlinkMessages(encodeAddQueueRule(10, PLACE, TARGET, way)) ?? [];
    assert.deepEqual(
      messages.map(({ type, sequence }) => [type, sequence]),
      [
        [0x10, 10],
        [0xa06, 11],
        [0x11, 12],
      ],
    );
    const body = messages[1]?.body ?? new Uint8Array();
    assert.equal(body[0], 7, "the family");
    const attributes = decodeNetlinkAttributes(body.subarray(4));
    const expression = findNested(findNested(attributes, 4), 1);
    assert.equal(Buffer.from(findAttribute(expression, 1) ?? []).toString(), `${way}\0`);
    const data = findNested(expression, 2) ?? [];
    assert.deepEqual(Object.fromEntries(data.map(({ type, value }) => [type, formatHex(value)])), expected);
  }
});

test("encodeRemoveTable() names one table of one family", () => {
  const [, message] = decodeNetlinkMessages(encodeRemoveTable(1, "ip6", "mine")) ?? [];
  assert.equal(message?.type, 0xa02);
  assert.equal(formatHex(message?.body ?? new Uint8Array()), "0a000000090001006d696e6500000000");
});

test("decodeRuleContent() names a rule's expressions, tells those that set something, and reads its counter", () => {
  const writer = new NetlinkWriter();
  const expression = (name: string, body: () => void): void => {
    writer.nested(1, () => writer.text(1, name).nested(2, body));
  };
  writer.message({ type: 0xa06, flags: 0, sequence: 0 }, () => {
    writer.raw(parseHex("01000000")).text(1, "t").text(2, "c");
    writer.nested(4, () => {
      expression("meta", () => writer.uint32Network(1, 1).uint32Network(2, 3));
      expression("meta", () => writer.uint32Network(2, 3).uint32Network(3, 1));
      expression("counter", () => writer.uint64Network(1, 1000).uint64Network(2, 10));
    });
  });
  const [message] = decodeNetlinkMessages(writer.finish()) ?? [];
  assert.deepEqual(decodeRuleContent(message?.body ?? new Uint8Array()), {
    chain: "c",
    expressions: [
      { name: "meta", isSetting: false },
      { name: "meta", isSetting: true },
      { name: "counter", isSetting: false },
    ],
    counter: { packets: 10, bytes: 1000 },
  });
  assert.equal(decodeRuleContent(new Uint8Array(3)), undefined);
  assert.equal(decodeRuleContent(new Uint8Array(4)), undefined);
});
