import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { conversation } from "../../../test/support/conversation.ts";
import { udpTalk } from "../../../test/support/conversation-other.ts";
import { FrameShare } from "./frame-share.ts";

const COUNT = 4;
const shares = Array.from(
  { length: COUNT },
  (_, index) => new FrameShare({ index, count: COUNT, key: [7, 11] }),
);

/** Which worker has the frame: exactly one does. */
function ownerOf(frame: Parameters<FrameShare["owns"]>[0]): number {
  const owners = shares.flatMap((share, index) => (share.owns(frame) ? [index] : []));
  assert.equal(owners.length, 1);
  return owners[0] as number;
}

describe("FrameShare", () => {
  it("gives both directions, and all flows between two addresses, to one worker", () => {
    for (const [client, server] of [
      ["10.0.0.1", "10.0.0.2"],
      ["[2001:db8::1]", "[2001:db8::2]"],
    ]) {
      const talk = conversation({ client: `${client}:1025`, server: `${server}:80`, vlan: [5] });
      const other = udpTalk({ client: `${server}:53`, server: `${client}:99` });
      const packets = [...talk.handshake(), other.client("x"), other.server("y")];
      assert.equal(new Set(packets.map(ownerOf)).size, 1);
    }
  });

  it("gives fragments to the worker of their flow", () => {
    const talk = udpTalk({ client: "10.0.0.1:1025", server: "10.0.0.2:53" });
    const whole = ownerOf(talk.client("x".repeat(64)));
    for (const fragmentOffset of [0, 1, 5]) {
      const part = talk.client("x".repeat(64), { network: { fragmentOffset, moreFragments: true } });
      assert.equal(ownerOf(part), whole);
    }
  });

  it("spreads addresses over all workers, and what is not IP to the first", () => {
    const owners = Array.from({ length: 200 }, (_, index) =>
      ownerOf(conversation({ client: `10.0.${index}.1:1025` }).syn()),
    );
    for (let index = 0; index < COUNT; index++) {
      assert.ok(owners.filter((owner) => owner === index).length > 20, `worker ${index}`);
    }
    const packet = conversation().syn();
    const bytes = packet.bytes.slice();
    bytes.set([0x08, 0x06], 12);
    assert.equal(ownerOf({ ...packet, bytes, offset: 0, linkType: 1 }), 0);
  });
});
