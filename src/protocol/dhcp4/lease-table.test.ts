import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { after, type Instant, instant, seconds } from "#base/time.ts";
import { type LeaseClient, type LeaseState, TRANSITIONS } from "./lease.ts";
import { type KeptLease, LeaseTable } from "./lease-table.ts";
import { AddressPool } from "./pool.ts";

const FIRST = 0x0a4d0064; // 10.77.0.100
const client = (name: string): LeaseClient => ({ key: name, chaddr: Uint8Array.of(1) });
const at = (second: number): Instant => after(instant(0), seconds(second));

function makeTable(count: number, leaseCountMax?: number): { table: LeaseTable; pool: AddressPool } {
  const pool = new AddressPool([{ first: FIRST, last: FIRST + count - 1 }]);
  const limits = leaseCountMax === undefined ? {} : { leaseCountMax };
  return { table: new LeaseTable({ pool, quarantine: seconds(100), ...limits }), pool };
}

describe("LeaseTable", () => {
  // RFC 2131 figure 5 from the server's side: what happens to one address, each lease 60 s and each hold 10 s long.
  type Act = "offer" | "bind" | "release" | "decline" | "drop" | "wait";
  const stories: Record<
    string,
    [second: number, act: Act, state: LeaseState, wakesAt: number | undefined][]
  > = {
    "an offer that is taken, renewed and given back": [
      [0, "offer", "offered", 10],
      [1, "bind", "bound", 10], // the hold's entry is put right when it comes up
      [11, "wait", "bound", 61],
      [30, "bind", "bound", 61],
      [61, "wait", "bound", 90],
      [70, "release", "released", 90],
      [90, "wait", "released", undefined],
    ],
    "an offer that nobody takes": [
      [0, "offer", "offered", 10],
      [9, "wait", "offered", 10],
      [10, "wait", "expired", undefined],
      [11, "bind", "bound", 71],
    ],
    "an offer whose client takes another server's": [
      [0, "offer", "offered", 10],
      [1, "drop", "expired", 10],
      [2, "offer", "offered", 10],
    ],
    "a lease that is not renewed, and its client coming back": [
      [0, "bind", "bound", 60],
      [59, "wait", "bound", 60],
      [60, "wait", "expired", undefined],
      [61, "offer", "offered", 71],
    ],
    "a client that discovers again keeps the lease it has": [
      [0, "bind", "bound", 60],
      [5, "offer", "bound", 60],
      [16, "wait", "bound", 60],
    ],
    "an address in use by a stranger": [
      [0, "bind", "bound", 60],
      [5, "decline", "declined", 60],
      [60, "wait", "declined", 105],
      [105, "wait", "expired", undefined],
    ],
    "a release of what is only offered means nothing": [
      [0, "offer", "offered", 10],
      [1, "release", "offered", 10],
    ],
  };
  for (const [what, acts] of Object.entries(stories)) {
    it(`LeaseTable knows ${what}`, () => {
      const { table } = makeTable(1);
      const one = client("one");
      const run: Record<Act, (now: Instant) => unknown> = {
        offer: (now) => table.offer(FIRST, one, after(now, seconds(10))),
        bind: (now) => table.bind(FIRST, one, after(now, seconds(60))),
        release: () => table.release(FIRST, "one"),
        decline: (now) => table.decline(FIRST, "one", now),
        drop: () => table.drop("one"),
        wait: (now) => table.expire(now),
      };
      for (const [second, act, state, wakesAt] of acts) {
        run[act](at(second));
        const wakes = table.wakeAt();
        assert.deepEqual(
          [second, act, table.at(FIRST)?.state, wakes === undefined ? undefined : wakes / 1000],
          [second, act, state, wakesAt],
        );
      }
    });
  }

  it("choose() prefers the client's own address, what it asks for, one never used, the longest free", () => {
    const { table } = makeTable(3);
    assert.equal(table.choose("one", FIRST + 1), FIRST + 1);
    table.bind(FIRST + 1, client("one"), at(10));
    assert.equal(table.choose("one", FIRST), FIRST + 1);
    assert.equal(table.choose("two", FIRST + 1), FIRST);
    assert.equal(table.choose("two", 1), FIRST);
    table.bind(FIRST, client("two"), at(20));
    table.bind(FIRST + 2, client("three"), at(30));
    assert.equal(table.choose("four", 0), undefined);
    table.release(FIRST + 2, "three");
    table.release(FIRST, "two");
    assert.equal(table.choose("four", 0), FIRST + 2);
    assert.equal(table.choose("two", 0), FIRST);
    table.bind(FIRST + 2, client("four"), at(40));
    assert.equal(table.choose("three", 0), FIRST);
    assert.equal(table.choose("four", 0), FIRST + 2);
  });

  it("bind() of another address frees the one the client had, and both records are to be kept", () => {
    const { table } = makeTable(3);
    table.bind(FIRST, client("one"), at(60));
    table.offer(FIRST + 1, client("one"), at(10));
    assert.equal(table.at(FIRST)?.state, "bound");
    const changed = table.bind(FIRST + 1, client("one"), at(60));
    assert.deepEqual(
      changed.map(({ address, state }) => [address - FIRST, state]),
      [
        [1, "bound"],
        [0, "released"],
      ],
    );
    assert.equal(table.of("one")?.address, FIRST + 1);
  });

  it("expire() of an offer gives the client back what it had before", () => {
    const { table } = makeTable(3);
    table.bind(FIRST, client("one"), at(60));
    table.offer(FIRST + 1, client("one"), at(10));
    assert.equal(table.expire(at(10))?.was, "offered");
    assert.equal(table.of("one")?.address, FIRST);
  });

  it("an address outside of the pool is forgotten when its lease ends", () => {
    const { table, pool } = makeTable(1);
    table.bind(5, client("one"), at(60));
    assert.equal(table.expire(at(60))?.lease.address, 5);
    assert.deepEqual([table.size, pool.idleCount, table.of("one")], [0, 0, undefined]);
  });

  it("leaseCountMax keeps new addresses out and gives those that were used again", () => {
    const { table } = makeTable(10, 2);
    table.bind(FIRST, client("one"), at(60));
    table.bind(FIRST + 1, client("two"), at(60));
    assert.equal(table.obstacle(FIRST + 2, "three"), "full");
    assert.equal(table.choose("three", FIRST + 2), undefined);
    table.release(FIRST + 1, "two");
    assert.equal(table.choose("three", FIRST + 2), FIRST + 1);
  });

  it("restore() puts back leases, ends those whose time is over, and keeps quarantines", () => {
    const { table, pool } = makeTable(10);
    const kept: [LeaseState, number][] = [
      ["bound", 60],
      ["bound", 5],
      ["released", 60],
      ["declined", 60],
    ];
    for (const [index, [state, end]] of kept.entries()) {
      const lease: KeptLease = {
        address: FIRST + index,
        state,
        client: client(`c${index}`),
        expires: at(end),
      };
      table.restore(lease, at(10));
    }
    assert.deepEqual(
      kept.map((_, index) => table.at(FIRST + index)?.state),
      ["bound", "expired", "released", "declined"],
    );
    assert.equal(pool.idleCount, 2);
    assert.equal(table.of("c3"), undefined);
    assert.equal(table.choose("c1", 0), FIRST + 1);
    assert.equal(table.wakeAt(), at(60));
  });

  it("restore() lets a client's bound lease win over one it had earlier, in whatever order they come", () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const { table } = makeTable(10);
      for (const index of order) {
        const state = index === 0 ? "bound" : "released";
        table.restore({ address: FIRST + index, state, client: client("one"), expires: at(60) }, at(10));
      }
      assert.equal(table.of("one")?.address, FIRST);
    }
  });

  it("any history keeps the books: no address twice, every free one in the queue, ends noticed in time", () => {
    const step = fc.record({
      act: fc.constantFrom("discover", "join", "release", "decline", "drop", "pass"),
      who: fc.nat(5),
      passed: fc.nat(40),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { table, pool } = makeTable(4);
        let now = 0;
        for (const { act, who, passed } of steps) {
          const key = `c${who}`;
          if (act === "pass") now += passed;
          while (table.expire(at(now)));
          const address = table.choose(key, FIRST + who);
          const own = table.of(key)?.address ?? 0;
          if (act === "discover" && address) table.offer(address, client(key), at(now + 10));
          if (act === "join" && address) table.bind(address, client(key), at(now + 60));
          if (act === "release") table.release(own, key);
          if (act === "decline") table.decline(own, key, at(now));
          if (act === "drop") table.drop(key);
          const leases = [0, 1, 2, 3]
            .map((index) => table.at(FIRST + index))
            .filter((lease) => lease !== undefined);
          const holders = leases.filter(({ state }) => state === "bound" || state === "offered");
          assert.equal(new Set(holders.map((lease) => lease.client.key)).size, holders.length);
          const free = leases.filter(({ state }) => state === "released" || state === "expired");
          assert.equal(pool.idleCount, free.length);
          for (const { state, expires } of leases) {
            if (state === "released" || state === "expired") continue;
            assert.ok(expires > at(now) && (table.wakeAt() ?? Infinity) <= expires);
          }
        }
      }),
    );
  });
});

describe("TRANSITIONS", () => {
  const states = Object.keys(TRANSITIONS) as LeaseState[];

  it("TRANSITIONS keeps whatever a client is told, before it is told", () => {
    for (const state of states)
      assert.ok(TRANSITIONS[state].bind?.actions.includes("keep") ?? state === "declined");
  });

  it("TRANSITIONS queues an address exactly while anybody may have it", () => {
    const isFree = (state: LeaseState): boolean => state === "released" || state === "expired";
    for (const state of states) {
      for (const step of Object.values(TRANSITIONS[state])) {
        assert.equal(step.actions.includes("take"), isFree(state) && !isFree(step.next), state);
        assert.equal(step.actions.includes("give-back"), !isFree(state) && isFree(step.next), state);
      }
    }
  });
});
