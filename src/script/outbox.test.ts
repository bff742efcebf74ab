/**
 * Tests of what scripts send: the order it leaves in, and what leaves together.
 * @module
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import type { SendOptions } from "./context.ts";
import type { ScriptHost } from "./host.ts";
import { Outbox } from "./outbox.ts";

it("Outbox hands packets that leave alike over together, and keeps their order", () => {
  const handed: string[] = [];
  const soon: (() => void)[] = [];
  let sentCount = 0;
  const host: Partial<ScriptHost> = {
    soon: (action) => void soon.push(action),
    send(packets, { mark }: SendOptions) {
      handed.push(`${mark}: ${packets.map(([first]) => first?.[0]).join(" ")}`);
      return packets.length - 1;
    },
  };
  const outbox = new Outbox(host as ScriptHost, (count) => {
    sentCount += count;
  });
  for (const [byte, mark] of [
    [1, 5],
    [2, 5],
    [3, 6],
    [4, 5],
  ] as const) {
    assert.equal(outbox.add(Uint8Array.of(byte), { mark }), true);
  }
  assert.equal(soon.length, 1);
  soon[0]?.();
  assert.deepEqual(handed, ["5: 1 2", "6: 3", "5: 4"]);
  assert.equal(sentCount, 1);
});
