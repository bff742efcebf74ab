import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type IpAddress, ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { SimClock } from "#sim/clock.ts";
import { CounterPages, READING_LIFETIME } from "./counter-pages.ts";
import type { Counted } from "./kernel-state.ts";

const NOTHING = { packets: 0, bytes: 0 };
const ADDRESSES = ["10.0.0.9", "2001:db8::1", "10.0.0.10", "10.0.1.0", "2001:db8::"];
const IN_ORDER = ["10.0.0.9", "10.0.0.10", "10.0.1.0", "2001:db8::", "2001:db8::1"];

function counted(address: string): Counted {
  const client = { mac: mac("02:00:00:00:00:01"), address: ip(address), mark: 1 };
  return { client, up: NOTHING, down: NOTHING };
}

function made(): { pages: CounterPages; clock: SimClock; present: string[]; reads: () => number } {
  const clock = new SimClock();
  const present = [...ADDRESSES];
  let count = 0;
  const read = async (): Promise<Counted[]> => {
    count++;
    return present.map(counted);
  };
  return { pages: new CounterPages(read, clock), clock, present, reads: () => count };
}

async function walk(pages: CounterPages, limit: number): Promise<string[]> {
  const seen: string[] = [];
  for (let after: IpAddress | undefined; ; ) {
    const page = await pages.page(limit, after);
    seen.push(...page.counted.map(({ client }) => String(client.address)));
    after = page.counted.at(-1)?.client.address;
    if (!page.more) return seen;
  }
}

describe("CounterPages", () => {
  for (const limit of [1, 2, 5, 100]) {
    test(`page() gives every counter once, in order, in pages of ${limit}, from one reading`, async () => {
      const { pages, reads } = made();
      assert.deepEqual(await walk(pages, limit), IN_ORDER);
      assert.equal(reads(), 1);
      await walk(pages, limit);
      assert.equal(reads(), 2);
    });
  }

  test("page() reads again for a page whose reading is old, and goes on behind an address that is gone", async () => {
    const { pages, clock, present, reads } = made();
    await pages.page(2, undefined);
    present.splice(present.indexOf("10.0.0.10"), 1);
    present.push("10.0.0.99");
    await clock.advance(READING_LIFETIME);
    const page = await pages.page(2, ip("10.0.0.10"));
    assert.equal(reads(), 2);
    assert.deepEqual(
      page.counted.map(({ client }) => String(client.address)),
      ["10.0.0.99", "10.0.1.0"],
    );
  });

  test("page() behind the last address is empty", async () => {
    const { pages } = made();
    assert.deepEqual(await pages.page(2, ip("2001:db8::1")), { counted: [], more: false });
  });
});
