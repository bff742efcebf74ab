import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ip } from "#base/ip-address.ts";
import { type Conntrack, type ConntrackTuple, invertTuple } from "#wire/conntrack.ts";
import { betweenTranslations, TranslatedTwice } from "./translated-twice.ts";

const UDP = 17;

function tuple(source: string, sourcePort: number, target: string, targetPort: number): ConntrackTuple {
  return { source: ip(source), target: ip(target), protocol: UDP, sourcePort, targetPort };
}

/** From a client by way of an address nobody has to a server, which sees the router. */
function connection(port: number): Conntrack {
  const original = tuple("10.0.0.1", port, "192.0.2.1", 80);
  const reply = tuple("10.1.0.2", 8080, "10.1.0.1", port + 1);
  return { original, reply, status: 0x38, mark: 0, zone: 0 };
}

describe("TranslatedTwice", () => {
  function world(...connections: Conntrack[]) {
    const seen = { now: 1000, listCount: 0 };
    const costMilliseconds = 10;
    const translated = new TranslatedTwice(() => {
      seen.listCount++;
      seen.now += costMilliseconds;
      return connections;
    });
    const find = (packet: ConntrackTuple, mayBeFirst = true) =>
      translated.find(packet, mayBeFirst, () => seen.now);
    return { seen, find, translated };
  }

  it("betweenTranslations() joins who began with who answers", () => {
    assert.deepEqual(betweenTranslations(connection(5)), tuple("10.0.0.1", 5, "10.1.0.2", 8080));
  });

  it("find() does not look for first packets, and then for their answers", () => {
    const { seen, find } = world(connection(5));
    const packet = betweenTranslations(connection(5));
    assert.equal(find(packet), undefined);
    assert.equal(find(packet), undefined, "another script at the same time");
    assert.equal(seen.listCount, 0);
    const answer = find(invertTuple(packet));
    assert.equal(answer?.isReply, true);
    assert.equal(answer?.original.sourcePort, 5);
    assert.equal(find(packet)?.isReply, false);
    assert.equal(seen.listCount, 1);
  });

  it("find() looks for what comes some time after the first packet, and for what cannot be the first", () => {
    const { seen, find } = world(connection(5), connection(6));
    const packet = betweenTranslations(connection(5));
    assert.equal(find(packet), undefined);
    seen.now += 20;
    assert.equal(find(packet)?.isReply, false);
    const { seen: other, find: findOther } = world(connection(5));
    assert.equal(findOther(packet, false)?.isReply, false);
    assert.deepEqual([seen.listCount, other.listCount], [1, 1]);
  });

  it("find() lists for a two-hundredth of the time when it is of no use", () => {
    const { seen, find } = world();
    for (let index = 0; index < 100_000; index++) {
      find(tuple("10.0.0.1", index & 0xffff, "10.0.0.2", index >> 16), false);
      seen.now += 1;
    }
    assert.ok(seen.listCount * 10 <= 100_000 / 200 + 20, `${seen.listCount} lists`);
    assert.ok(seen.listCount > 10, `${seen.listCount} lists`);
  });

  it("forget() makes a connection that is gone be looked for again", () => {
    const { seen, find, translated } = world(connection(5));
    const packet = betweenTranslations(connection(5));
    find(packet, false);
    translated.forget(packet);
    assert.ok(find(packet, false));
    assert.equal(seen.listCount, 2);
  });
});
