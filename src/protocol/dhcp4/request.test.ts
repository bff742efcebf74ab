import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ip } from "#base/ip-address.ts";
import { DHCP4_MESSAGE_TYPES, type Dhcp4Message, type Dhcp4MessageType } from "#wire/dhcp4.ts";
import { makeReply, type ReplyContent, replyBytesMax, replyTarget } from "./reply.ts";
import { readRequest } from "./request.ts";

const OURS = ip("10.77.0.1").toUint32();
const WANTED = ip("10.77.0.100").toUint32();
const bytes = (address: number): Uint8Array =>
  Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);

const requested = { code: 50, data: bytes(WANTED) };
const ourServer = { code: 54, data: bytes(OURS) };
const otherServer = { code: 54, data: bytes(OURS + 1) };

function asked(type: Dhcp4MessageType | undefined, changes: Partial<Dhcp4Message> = {}): Dhcp4Message {
  const typeOption = type ? [{ code: 53, data: Uint8Array.of(DHCP4_MESSAGE_TYPES[type]) }] : [];
  return {
    op: "request",
    htype: 1,
    hops: 1,
    xid: 7,
    secs: 3,
    broadcast: false,
    ciaddr: 0,
    yiaddr: 0,
    siaddr: 0,
    giaddr: 0,
    chaddr: Uint8Array.of(2, 0, 0, 0, 0, 1),
    sname: new Uint8Array(0),
    file: new Uint8Array(0),
    ...changes,
    options: [...typeOption, ...(changes.options ?? [])],
  };
}

describe("readRequest()", () => {
  const rows: [what: string, message: Dhcp4Message, wanted: string][] = [
    ["a DISCOVER", asked("discover"), "discover 0"],
    ["a DISCOVER with a wish", asked("discover", { options: [requested] }), `discover ${WANTED}`],
    [
      "a REQUEST with our identifier",
      asked("request", { options: [requested, ourServer] }),
      `selecting ${WANTED}`,
    ],
    [
      "a REQUEST with another's",
      asked("request", { options: [requested, otherServer] }),
      "other-server hw:1:020000000001",
    ],
    ["a REQUEST with an address only", asked("request", { options: [requested] }), `init-reboot ${WANTED}`],
    ["a REQUEST with ciaddr", asked("request", { ciaddr: WANTED }), `renewing ${WANTED}`],
    ["a REQUEST with nothing", asked("request"), "fields"],
    [
      "a REQUEST with an address of three bytes",
      asked("request", { options: [{ code: 50, data: Uint8Array.of(1, 2, 3) }] }),
      "fields",
    ],
    ["a RELEASE", asked("release", { ciaddr: WANTED, options: [ourServer] }), `release ${WANTED}`],
    [
      "a RELEASE to another server",
      asked("release", { ciaddr: WANTED, options: [otherServer] }),
      "other-server hw:1:020000000001",
    ],
    ["a RELEASE of nothing", asked("release", { options: [requested] }), "fields"],
    ["a DECLINE", asked("decline", { options: [requested, ourServer] }), `decline ${WANTED}`],
    ["an INFORM", asked("inform", { ciaddr: WANTED }), `inform ${WANTED}`],
    ["an OFFER", asked("offer"), "type"],
    ["a message without a type", asked(undefined), "type"],
    ["a reply", asked("discover", { op: "reply" }), "reply"],
    [
      "a client with neither identifier nor hardware address",
      asked("discover", { chaddr: new Uint8Array(6) }),
      "identity",
    ],
  ];
  for (const [what, message, wanted] of rows) {
    it(`readRequest() takes ${what} for ${wanted}`, () => {
      const request = readRequest(message, (server) => server === OURS);
      const text =
        "kind" in request
          ? `${request.kind} ${request.address}`
          : `${request.ignored} ${request.clientKey ?? ""}`;
      assert.equal(text.trim(), wanted);
    });
  }

  it("readRequest() takes the client identifier for the client, where there is one", () => {
    const id = { code: 61, data: Uint8Array.of(0, 255) };
    const request = readRequest(asked("discover", { options: [id], chaddr: new Uint8Array(0) }), () => true);
    assert.equal("kind" in request && request.clientKey, "id:00ff");
  });
});

describe("replyTarget() (RFC 2131 section 4.1)", () => {
  const relay = ip("10.78.0.9").toUint32();
  const rows: [what: string, changes: Partial<Dhcp4Message>, type: ReplyContent["type"], wanted: string][] = [
    ["a client without an address", {}, "offer", `hardware ${WANTED}`],
    ["a client that wants broadcasts", { broadcast: true }, "offer", "everyone"],
    ["a client that has an address", { ciaddr: WANTED }, "ack", `client ${WANTED}`],
    [
      "a client that has an address and wants broadcasts",
      { ciaddr: WANTED, broadcast: true },
      "ack",
      `client ${WANTED}`,
    ],
    ["a refused client", { ciaddr: WANTED }, "nak", "everyone"],
    ["a relayed client", { giaddr: relay, broadcast: true, ciaddr: WANTED }, "ack", `relay ${relay}`],
    ["a refused relayed client", { giaddr: relay }, "nak", `relay ${relay}`],
    ["a client that is not on Ethernet", { chaddr: new Uint8Array(8).fill(1) }, "offer", "everyone"],
  ];
  for (const [what, changes, type, wanted] of rows) {
    it(`replyTarget() answers ${what} at ${wanted}`, () => {
      const target = replyTarget(asked("request", changes), { type, address: WANTED });
      assert.equal("address" in target ? `${target.to} ${target.address}` : target.to, wanted);
    });
  }
});

describe("makeReply() (RFC 2131 table 3)", () => {
  const content: ReplyContent = {
    type: "ack",
    server: OURS,
    address: WANTED,
    options: new Map([
      [3, bytes(OURS)],
      [15, Uint8Array.of(65)],
      [51, bytes(600)],
    ]),
    always: new Set([51]),
  };
  const codes = (message: Dhcp4Message): number[] => message.options.map(({ code }) => code);

  it("makeReply() takes the fields from the request as the table says", () => {
    const reply = makeReply(asked("request", { ciaddr: WANTED, giaddr: 5, broadcast: true }), content);
    const { op, hops, secs, xid, ciaddr, yiaddr, giaddr, broadcast } = reply;
    assert.deepEqual(
      { op, hops, secs, xid, ciaddr, yiaddr, giaddr, broadcast },
      {
        op: "reply",
        hops: 0,
        secs: 0,
        xid: 7,
        ciaddr: WANTED,
        yiaddr: WANTED,
        giaddr: 5,
        broadcast: true,
      },
    );
    assert.equal(makeReply(asked("discover", { ciaddr: WANTED }), { ...content, type: "offer" }).ciaddr, 0);
  });

  it("makeReply() sends everything to a client without a list, and to one with a list that and what must be", () => {
    assert.deepEqual(codes(makeReply(asked("request"), content)), [53, 54, 3, 15, 51]);
    const list = { code: 55, data: Uint8Array.of(15, 99, 15) };
    assert.deepEqual(codes(makeReply(asked("request", { options: [list] }), content)), [53, 54, 15, 51]);
  });

  it("makeReply() of a NAK tells a relay to broadcast it, and echoes who it is for", () => {
    const options = [
      { code: 55, data: Uint8Array.of(3) },
      { code: 82, data: Uint8Array.of(1, 0) },
      { code: 61, data: Uint8Array.of(9) },
    ];
    const nak = makeReply(asked("request", { giaddr: 5, options }), {
      ...content,
      type: "nak",
      address: 0,
      options: new Map([[56, Uint8Array.of(65)]]),
    });
    assert.equal(nak.broadcast, true);
    assert.deepEqual(codes(nak), [53, 54, 56, 61, 82]);
  });

  const sizes: [option: Uint8Array | undefined, bytesMax: number][] = [
    [undefined, 548],
    [Uint8Array.of(2, 64), 548], // 576
    [Uint8Array.of(0, 64), 548], // less than the least there is
    [Uint8Array.of(5, 220), 1472], // 1500
    [Uint8Array.of(255, 255), 1472],
    [Uint8Array.of(9), 548],
  ];
  for (const [data, bytesMax] of sizes) {
    it(`replyBytesMax() of option 57 '${data ?? "absent"}' is ${bytesMax}`, () => {
      const message = asked("discover", { options: data ? [{ code: 57, data }] : [] });
      assert.equal(replyBytesMax(message, 1472), bytesMax);
    });
  }
});
