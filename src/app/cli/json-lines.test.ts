import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { Message } from "#mailbox/message.ts";
import { reject } from "#mailbox/verdict.ts";
import { formatMessageLine, parseMessageLine, parseVerdictLine, type Types } from "./json-lines.ts";
import { typesFromDescription } from "./tuple.ts";
import { UsageError } from "./typed-value.ts";

const MESSAGE = Message.fromTuples(["xid", 7, "ciaddr", ip("10.0.0.9"), "tag", "a", "tag", "b"]);
const TYPES: Types = {
  takes: typesFromDescription(["chaddr mac: hardware address", "hostname text: name"]),
  answers: typesFromDescription(["address ip: what the client gets"]),
  messageOf: () => MESSAGE,
};

describe("formatMessageLine()", () => {
  it("formatMessageLine() keeps order, types and repeated tags", () =>
    assert.equal(
      formatMessageLine({ id: 1, mailbox: "/dhcpd/lookup", sender: "dhcpd" }, MESSAGE),
      '{"id":1,"mailbox":"/dhcpd/lookup","sender":"dhcpd","tuples":[["xid","uint",7],["ciaddr","ip","10.0.0.9"],["tag","text","a"],["tag","text","b"]]}',
    ));
});

describe("parseVerdictLine()", () => {
  const rows: [line: string, verdict: object][] = [
    ['{"id":1,"verdict":"continue"}', { verdict: "continue" }],
    ['{"id":1,"verdict":"stop"}', { verdict: "stop" }],
    ['{"id":1,"verdict":"reject","reason":"not today"}', reject("not today")],
    [
      // By the contract, like the message's own value, and as JSON gives it.
      '{"id":1,"verdict":"change","set":{"chaddr":"020000000001","ciaddr":"10.0.0.1"},"add":{"seen":3},"remove":["tag"]}',
      {
        verdict: "change",
        edit: {
          set: { chaddr: mac("02:00:00:00:00:01"), ciaddr: ip("10.0.0.1") },
          add: { seen: 3 },
          remove: ["tag"],
        },
      },
    ],
    [
      '{"id":1,"verdict":"change","set":[["router","ip","10.0.0.1"],["dns","ip[]",["10.0.0.2"]]]}',
      {
        verdict: "change",
        edit: { set: { router: ip("10.0.0.1"), dns: [ip("10.0.0.2")] }, add: {}, remove: [] },
      },
    ],
    [
      '{"id":1,"verdict":"answer","tuples":{"address":"10.0.0.1"}}',
      { verdict: "answer", message: Message.fromTuples(["address", ip("10.0.0.1")]) },
    ],
    [
      '{"id":1,"verdict":"answer","tuples":[["mixed","list",[["text","x"],["uint",1]]]]}',
      { verdict: "answer", message: Message.fromTuples(["mixed", ["x", 1]]) },
    ],
    ['{"id":1,"verdict":"answer"}', { verdict: "answer", message: Message.fromTuples([]) }],
  ];
  for (const [line, verdict] of rows) {
    it(`parseVerdictLine() reads ${line}`, () =>
      assert.deepEqual(parseVerdictLine(line, TYPES), { id: 1, verdict }));
  }
  it("parseVerdictLine() leaves the id open when there is none", () =>
    assert.equal(parseVerdictLine('{"verdict":"stop"}', TYPES).id, undefined));

  const refused: [line: string, message: string][] = [
    ["continue", "'continue' is not JSON"],
    ["[1]", `'[1]' is not an object like {"id":1,"verdict":"continue"}`],
    ['{"id":1}', "there is no verdict; write continue, stop, reject, change or answer"],
    ['{"id":1,"verdict":"yes"}', 'verdict is "yes"; write continue, stop, reject, change or answer'],
    ['{"id":"1","verdict":"stop"}', 'id is "1", not a number'],
    ['{"id":1,"verdict":"change","remove":"tag"}', "remove is not a list of tags"],
    [
      '{"id":1,"verdict":"change","set":{"chaddr":"zz"}}',
      "in set, tag 'chaddr': 'zz' is not mac; write 02:00:00:00:00:01",
    ],
    ['{"id":1,"verdict":"change","set":[["a"]]}', 'in set, ["a"] is not [tag, value] or [tag, type, value]'],
    ['{"id":1,"verdict":"change","set":7}', 'set is not tuples like [["xid","uint",7]] or {"xid":7}'],
    [
      '{"id":1,"verdict":"answer","tuples":[["a","colour","red"]]}',
      `in tuples, tag 'a': there is no type "colour"`,
    ],
    [
      '{"id":1,"verdict":"answer","tuples":{"a":{"b":1}}}',
      `in tuples, tag 'a': {"b":1} is not a value of a tuple`,
    ],
    ['{"verdict":"answer","tuples":{"a":[[1]]}}', "in tuples, tag 'a': a list cannot hold a list"],
    [
      '{"verdict":"answer","tuples":[["a","time","room 5"]]}',
      "in tuples, tag 'a': 'room 5' is not time; write 2026-11-22T01:30:00Z",
    ],
  ];
  for (const [line, message] of refused) {
    it(`parseVerdictLine() refuses ${line}`, () =>
      assert.throws(
        () => parseVerdictLine(line, TYPES),
        (error) => {
          assert.ok(error instanceof UsageError);
          assert.equal(error.message, message);
          return true;
        },
      ));
  }
});

describe("parseMessageLine()", () => {
  for (const line of [
    '{"chaddr":"020000000001"}',
    '[["chaddr","mac","02:00:00:00:00:01"]]',
    '{"tuples":[["chaddr","020000000001"]]}',
  ]) {
    it(`parseMessageLine() reads ${line}`, () =>
      assert.deepEqual(parseMessageLine(line, TYPES.takes).tuples, ["chaddr", mac("02:00:00:00:00:01")]));
  }

  for (const value of [1e21, 2 ** 53, -(2 ** 60), 2n ** 64n - 1n, Number.NaN]) {
    it(`parseMessageLine() reads what formatMessageLine() made of ${typeof value} ${value}`, () => {
      const line = formatMessageLine({ mailbox: "/x", sender: "me" }, Message.fromTuples(["a", value]));
      assert.deepEqual(parseMessageLine(line, new Map()).tuples, ["a", value]);
    });
  }
});
