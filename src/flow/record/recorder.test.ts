import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { type Conversation, conversation } from "../../../test/support/conversation.ts";
import { icmpEcho, play, udpTalk } from "../../../test/support/conversation-other.ts";
import { CONVERSATION_EPOCH, type ConversationPacket } from "../../../test/support/conversation-packet.ts";
import { FlowEngine } from "../engine.ts";
import type { FlowPolicy } from "../policy.ts";
import type { ConnectionState } from "./connection-state.ts";
import { type ConnectionRecord, recordConnections } from "./recorder.ts";

interface Options {
  readonly filter?: string;
  readonly policy?: Partial<Omit<FlowPolicy, "timeouts">>;
}

function recordsOf(
  packets: Iterable<ConversationPacket>,
  { filter, policy }: Options = {},
): ConnectionRecord[] {
  const engine = new FlowEngine({
    random: new SeededRandom(1),
    onError: (_, error) => assert.fail(String(error)),
    ...(policy === undefined ? {} : { policy }),
  });
  const records: ConnectionRecord[] = [];
  recordConnections(engine, { tell: (record) => records.push(record), filter });
  play(engine, packets);
  engine.close();
  return records;
}

function only(packets: Iterable<ConversationPacket>, options?: Options): ConnectionRecord {
  const [record, ...others] = recordsOf(packets, options);
  assert.ok(record);
  assert.deepEqual(others, []);
  return record;
}

type Script = (talk: Conversation) => ConversationPacket[];

/** The three packets of a handshake, and a request with its answer. */
const exchange: Script = (talk) => [
  ...talk.handshake(),
  talk.client("hello"),
  talk.server("hello you"),
  talk.ack("client"),
];

const STATES: readonly (readonly [ConnectionState, history: string, what: string, Script])[] = [
  ["S0", "S", "a SYN", (talk) => [talk.syn()]],
  ["S0", "S", "a SYN three times", (talk) => [talk.syn(), talk.syn(), talk.syn()]],
  ["S0", "Sa", "an acknowledgement is no answer", (talk) => [talk.syn(), talk.ack("server")]],
  ["S1", "Sh", "SYN and SYN/ACK", (talk) => [talk.syn(), talk.synAck()]],
  ["S1", "ShA", "a handshake", (talk) => talk.handshake()],
  ["S1", "ShADd", "a handshake with data", exchange],
  ["S1", "Ss", "a simultaneous open", (talk) => [talk.syn(), talk.syn({}, "", "server")]],
  ["SF", "ShADdFf", "closed by the client", (talk) => [...exchange(talk), ...talk.close("client")]],
  ["SF", "ShADdfFa", "closed by the server", (talk) => [...exchange(talk), ...talk.close("server")]],
  ["REJ", "Sr", "refused", (talk) => [talk.syn(), talk.reset("server", { flags: "RA" })]],
  [
    "S2",
    "ShAFa",
    "the client has ended",
    (talk) => [...talk.handshake(), talk.fin("client"), talk.ack("server")],
  ],
  [
    "S3",
    "ShAf",
    "the server has ended",
    (talk) => [...talk.handshake(), talk.fin("server"), talk.ack("client")],
  ],
  ["RSTO", "ShADdR", "reset by the client", (talk) => [...exchange(talk), talk.reset("client")]],
  [
    "RSTO",
    "ShR",
    "reset by the client in the handshake",
    (talk) => [talk.syn(), talk.synAck(), talk.reset("client")],
  ],
  [
    "RSTO",
    "ShAFR",
    "ended, then reset, by the client",
    (talk) => [...talk.handshake(), talk.fin("client"), talk.reset("client")],
  ],
  ["RSTR", "ShADdr", "reset by the server", (talk) => [...exchange(talk), talk.reset("server")]],
  [
    "RSTR",
    "ShAFr",
    "reset by the server after the client's FIN",
    (talk) => [...talk.handshake(), talk.fin("client"), talk.reset("server")],
  ],
  ["RSTOS0", "SR", "given up by the client", (talk) => [talk.syn(), talk.reset("client")]],
  [
    "RSTRH",
    "^hr",
    "SYN/ACK and RST of the server",
    (talk) => [talk.synAck({ acknowledged: 0 }), talk.reset("server")],
  ],
  ["SH", "SF", "SYN and FIN of the client", (talk) => [talk.syn(), talk.fin("client")]],
  [
    "SHR",
    "^hf",
    "SYN/ACK and FIN of the server",
    (talk) => [talk.synAck({ acknowledged: 0 }), talk.fin("server")],
  ],
  ["OTH", "^h", "a SYN/ACK alone", (talk) => [talk.synAck({ acknowledged: 0 })]],
  [
    "S1",
    "^hA",
    "a handshake but for its SYN",
    (talk) => [talk.synAck({ acknowledged: 0 }), talk.ack("client", { at: 0 })],
  ],
  [
    "OTH",
    "Da",
    "from the middle",
    (talk) => [talk.client("hello", { at: 10 }), talk.ack("server", { at: 10 })],
  ],
  [
    "OTH",
    "^dA",
    "from the middle, the server first",
    (talk) => [talk.server("hello", { at: 10 }), talk.ack("client", { at: 10 })],
  ],
  [
    "SF",
    "DdFfA",
    "from the middle, and closed",
    (talk) => [talk.client("a", { at: 9 }), talk.server("b", { at: 9 }), ...talk.close()],
  ],
];

describe("recordConnections()", () => {
  for (const [state, history, what, script] of STATES) {
    it(`says ${state} and ${history} of ${what}`, () => {
      const { conn_state, history: seen } = only(script(conversation()));
      assert.deepEqual([conn_state, seen], [state, history]);
    });
  }

  it("gives all of Zeek's fields, in Zeek's order, and its own behind", () => {
    const record = only(exchange(conversation()));
    assert.equal(
      JSON.stringify(record),
      `{"ts":1700000000,"uid":"${record.uid}","id.orig_h":"10.0.0.1","id.orig_p":1025,"id.resp_h":"10.0.0.2",` +
        `"id.resp_p":80,"proto":"tcp","duration":0.005,"orig_bytes":5,"resp_bytes":9,"conn_state":"S1",` +
        `"missed_bytes":0,"history":"ShADd","orig_pkts":4,"orig_ip_bytes":165,"resp_pkts":2,"resp_ip_bytes":89,` +
        `"ip_proto":6,"end":"end-of-input"}`,
    );
  });

  it("leaves out what a single packet does not say", () => {
    const record = only([conversation().syn()]);
    for (const name of ["duration", "orig_bytes", "resp_bytes", "encapsulation"]) {
      assert.equal(name in record, false, name);
    }
    assert.equal(record.orig_ip_bytes, 40);
  });

  it("counts the time of what came before both ends had closed, and all packets", () => {
    const talk = conversation();
    const packets = [
      ...talk.handshake(),
      ...talk.close(),
      talk.wait(999).ack("client"),
      talk.fin("client", { at: 0 }),
    ];
    const record = only(packets);
    assert.equal(record.duration, 0.004);
    assert.deepEqual([record.orig_pkts, record.resp_pkts], [6, 2]);
  });

  it("counts times to the microsecond", () => {
    const talk = conversation({ epoch: CONVERSATION_EPOCH + 0.125 });
    const { ts, duration } = only([talk.syn({ time: 0 }), talk.synAck({ time: 0.002 })]);
    assert.equal(ts, 1_700_000_000.000_125);
    assert.equal(duration, 0.000_002);
  });

  it("counts bytes by their numbers, also those that never came", () => {
    const talk = conversation();
    const packets = [...talk.handshake(), talk.client("12345")];
    talk.miss("client", 1000);
    packets.push(talk.client("67890"), talk.ack("server"), ...talk.close());
    const { orig_bytes, missed_bytes, history, conn_state } = only(packets);
    assert.deepEqual([orig_bytes, missed_bytes, conn_state], [1010, 1000, "SF"]);
    assert.equal(history, "ShADaGFf");
  });

  const letters: readonly (readonly [history: string, what: string, Script])[] = [
    [
      "ShADTa",
      "data again",
      (talk) => [
        ...talk.handshake(),
        talk.client("hello"),
        talk.client("hello", { at: 0 }),
        talk.ack("server"),
      ],
    ],
    [
      "ShADTT",
      "data ten times again",
      (talk) => [...talk.handshake(), ...Array.from({ length: 11 }, () => talk.client("hello", { at: 0 }))],
    ],
    ["ShAaw", "a window of 0", (talk) => [...talk.handshake(), talk.ack("server", { window: 0 })]],
    ["ShAI", "FIN with RST", (talk) => [...talk.handshake(), talk.fin("client", { flags: "FRA" })]],
    ["Q", "SYN with FIN", (talk) => [talk.syn({ flags: "SF" })]],
    ["ShS", "another SYN", (talk) => [talk.syn(), talk.synAck(), talk.syn({ sequence: 77 })]],
    [
      "ShAR",
      "a reset three times",
      (talk) => [...talk.handshake(), talk.reset("client"), talk.reset("client"), talk.reset("client")],
    ],
    [
      "ShAFf",
      "a FIN that comes again",
      (talk) => [...talk.handshake(), ...talk.close(), talk.fin("server", { at: 0 })],
    ],
  ];
  for (const [history, what, script] of letters) {
    it(`tells ${history} of ${what}`, () => assert.equal(only(script(conversation())).history, history));
  }

  it("does not let a reset count that the receiver does not take", () => {
    const talk = conversation();
    const packets = [...exchange(talk), talk.reset("server", { sequence: 77 }), talk.client("still here")];
    const { conn_state, history, end } = only([...packets, talk.ack("server"), ...talk.close()]);
    assert.deepEqual([conn_state, history, end], ["SF", "ShADdraFf", "closed"]);
  });

  it("makes another record of a connection that takes the same ports", () => {
    const first = conversation();
    const again = conversation({ clientSequence: 900_000, epoch: CONVERSATION_EPOCH + 1000 });
    const records = recordsOf([...first.handshake(), ...first.close(), ...again.handshake()]);
    assert.deepEqual(
      records.map(({ conn_state, end }) => [conn_state, end]),
      [
        ["SF", "closed"],
        ["S1", "end-of-input"],
      ],
    );
    assert.notEqual(records[0]?.uid, records[1]?.uid);
  });

  it("counts what comes within five seconds of the end to the connection, and starts another later", () => {
    const packets = (pause: number): ConversationPacket[] => {
      const talk = conversation();
      return [...exchange(talk), ...talk.close(), talk.wait(pause).ack("server")];
    };
    assert.equal(only(packets(4000)).resp_pkts, 4);
    assert.deepEqual(
      recordsOf(packets(6000)).map(({ conn_state }) => conn_state),
      ["SF", "OTH"],
    );
  });

  it("names flows the same each time, and no two the same", () => {
    const names = (port: number): string => only([conversation({ client: `10.0.0.1:${port}` }).syn()]).uid;
    const all = new Set(Array.from({ length: 200 }, (_, index) => names(1000 + index)));
    assert.equal(all.size, 200);
    assert.equal(all.has(names(1000)), true);
    for (const name of all) assert.match(name, /^C[0-9A-Za-z]{15}$/);
  });

  const others: readonly (readonly [what: string, ConversationPacket[], Partial<ConnectionRecord>])[] = [
    [
      "UDP without an answer",
      [udpTalk().client("?")],
      { proto: "udp", conn_state: "S0", history: "D", ip_proto: 17, orig_pkts: 1, resp_pkts: 0 },
    ],
    [
      "UDP with an answer",
      answered(udpTalk()),
      { proto: "udp", conn_state: "SF", history: "Dd", duration: 0.001, orig_bytes: 2, resp_bytes: 3 },
    ],
    [
      "an echo",
      echoes({ client: "10.0.0.1", server: "10.0.0.2" }),
      { proto: "icmp", conn_state: "OTH", "id.orig_p": 8, "id.resp_p": 0, orig_bytes: 2, ip_proto: 1 },
    ],
    [
      "an echo of IPv6",
      echoes({ client: "[2001:db8::1]", server: "[2001:db8::2]" }),
      { proto: "icmp", "id.orig_h": "2001:db8::1", "id.orig_p": 128, "id.resp_p": 129, ip_proto: 58 },
    ],
    [
      "TCP over IPv6",
      conversation({ client: "[2001:db8::1]:1025", server: "[2001:db8::2]:80" }).handshake(),
      { proto: "tcp", "id.resp_h": "2001:db8::2", "id.resp_p": 80, conn_state: "S1", orig_ip_bytes: 120 },
    ],
  ];
  for (const [what, packets, expected] of others) {
    it(`records ${what}`, () => {
      const record: Partial<ConnectionRecord> = only(packets);
      for (const [name, value] of Object.entries(expected)) {
        assert.deepEqual(record[name as keyof ConnectionRecord], value, name);
      }
      if (record.proto === "icmp") assert.equal("history" in record, false);
    });
  }

  it("asks the filter of a flow's first packet, and gives back its mark", () => {
    const engine = new FlowEngine({ random: new SeededRandom(1) });
    const marks: number[] = [];
    let count = 0;
    const mark = (): number => ++count;
    recordConnections(engine, { tell: (_, own) => marks.push(own), filter: "src port 1025", mark });
    const talk = conversation();
    play(engine, [...exchange(talk)]);
    play(engine, [
      udpTalk({ client: "10.0.0.9:1" }).client("x"),
      conversation({ client: "10.0.0.3:1025" }).syn(),
    ]);
    engine.close();
    assert.deepEqual(marks, [1, 2]);
  });
});

function answered(talk: ReturnType<typeof udpTalk>): ConversationPacket[] {
  return [talk.client("ab"), talk.server("abc")];
}

function echoes(options: { readonly client: string; readonly server: string }): ConversationPacket[] {
  const echo = icmpEcho(options);
  return [echo.request("ab"), echo.reply("ab")];
}
