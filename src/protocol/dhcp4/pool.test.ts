import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { instant } from "#base/time.ts";
import { LeaseTable } from "./lease-table.ts";
import { AddressPool } from "./pool.ts";

const nobody = (): boolean => false;

describe("AddressPool", () => {
  it("next() goes through the ranges in order and passes over what is known", () => {
    const pool = new AddressPool([
      { first: 30, last: 31 },
      { first: 10, last: 12 },
    ]);
    const given = new Set<number>([11]);
    const seen: (number | undefined)[] = [];
    for (let round = 0; round < 5; round++) {
      const address = pool.next((each) => given.has(each));
      seen.push(address);
      if (address !== undefined) given.add(address);
    }
    assert.deepEqual(seen, [10, 12, 30, 31, undefined]);
  });

  it("next() gives the same address until somebody takes it", () => {
    const pool = new AddressPool([{ first: 10, last: 12 }]);
    assert.deepEqual([pool.next(nobody), pool.next(nobody)], [10, 10]);
    assert.equal(pool.next(nobody, false), undefined);
  });

  const wrong: [string, { first: number; last: number }[]][] = [
    ["ends before it begins", [{ first: 2, last: 1 }]],
    [
      "overlaps another",
      [
        { first: 1, last: 5 },
        { first: 5, last: 9 },
      ],
    ],
  ];
  for (const [what, ranges] of wrong) {
    it(`AddressPool refuses a range that ${what}`, () =>
      assert.throws(() => new AddressPool(ranges), {
        name: ConfigurationError.name,
        message: new RegExp(what),
      }));
  }

  it("a pool of ten million addresses costs nothing before they are given, and the same time for each", () => {
    const pool = new AddressPool([{ first: 0x0a000001, last: 0x0a989680 }]);
    const table = new LeaseTable({ pool, quarantine: 1000 as never });
    assert.equal(pool.size, 10_000_000);
    assert.equal(table.size, 0);
    let looked = 0;
    const count = (address: number): boolean => {
      looked++;
      return table.at(address) !== undefined;
    };
    for (let number = 0; number < 20_000; number++) {
      const address = pool.next(count);
      assert.ok(address);
      table.bind(address, { key: `c${number}`, chaddr: new Uint8Array(6) }, instant(1000));
    }
    assert.ok(looked <= 40_000, `${looked} looks for 20000 addresses`);
  });
});
