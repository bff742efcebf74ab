import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Packet } from "#packet/packet.ts";
import type { Context, SendOptions } from "./context.ts";
import { handOver, redirect } from "./kernel-verdicts.ts";
import { accept, drop } from "./verdict.ts";

const packet = {} as Packet;

describe("redirect()", () => {
  it("redirect() sends the packet as a frame and drops it", () => {
    const sent: [unknown, SendOptions | undefined][] = [];
    const context = {
      send: (one: unknown, options?: SendOptions) => sent.push([one, options]) > 0,
    } as unknown as Context;
    assert.equal(redirect(packet, context, "eth1"), drop);
    assert.deepEqual(sent, [[packet, { way: "frame", interface: "eth1" }]]);
  });
});

describe("handOver()", () => {
  it("handOver() answers what the function does", () => {
    const context = {} as Context;
    const answer = handOver(packet, context, (one, other) => {
      assert.equal(one, packet);
      assert.equal(other, context);
      return accept;
    });
    assert.equal(answer, accept);
  });
});
