/** @module */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type KernelCell, kernelRowsOf, kernelTable } from "./kernel-tables.ts";

type Rounds = KernelCell["rounds"];

function cell(
  handler: string,
  kind: KernelCell["kind"],
  rounds: Rounds,
  more: Partial<KernelCell> = {},
): KernelCell {
  const what = { part: "NAT", experiment: "TCP", unit: "Gbit/s", better: "more", cores: 1 } as const;
  return { ...what, handler, kind, rounds: { ...rounds, foreign: [0, 0, 0] }, ...more };
}

const placed = (instructions: number) => [{ name: "snat", instructions, machineBytes: 5 * instructions }];

const TCP = [
  cell("forwarding", "floor", { throughput: [10, 10, 10] }),
  cell("Linux SNAT", "peer", { throughput: [8, 8, 8] }),
  cell("nft stateless", "peer", { throughput: [9, 12, 9] }),
  cell("C, as the script", "peer", { throughput: [10, null, 20] }, { placed: placed(100) }),
  cell("script", "ours", { throughput: [9, 9, 9] }, { placed: placed(121) }),
];

describe("kernelRowsOf()", () => {
  it("compares with the best of Linux's, and with C apart, by the medians of the rounds' ratios", () => {
    const told = kernelRowsOf({ long: false, cells: TCP }).map(({ what, peer, ratio, limits, met }) => {
      return [what, peer, ratio, limits, met];
    });
    assert.deepEqual(told, [
      ["NAT, TCP, 1 core", "nft stateless 9.00 Gbit/s", 1, [0.75, 1], true],
      ["NAT, TCP, 1 core", "C, as the script 15.00 Gbit/s", 0.675, [0.45, 0.9], false],
      ["instructions, snat", "C, as the script 100", 1.21, undefined, false],
    ]);
  });

  it("compares round trips the other way round, in the middle and at the end", () => {
    const trip = { experiment: "round trip", unit: "us", better: "less" } as const;
    const rows = kernelRowsOf({
      long: false,
      cells: [
        cell("nft stateless", "peer", { p50: [20, 22, 21], p99: [30, 30, 30] }, trip),
        cell("script", "ours", { p50: [10, 11, 10.5], p99: [60, 60, 60] }, trip),
      ],
    });
    assert.deepEqual(
      rows.map(({ what, ratio, met }) => [what, ratio, met]),
      [
        ["NAT, round trip, p50, 1 core", 2, true],
        ["NAT, round trip, p99, 1 core", 0.5, false],
      ],
    );
  });

  it("has no target for what the kernel's clock says of a program", () => {
    const inside = { experiment: "time in the program", unit: "ns", better: "less" } as const;
    const [row] = kernelRowsOf({
      long: false,
      cells: [
        cell("C, as the script", "peer", { nanoseconds: [60, 61, 62] }, inside),
        cell("script", "ours", { nanoseconds: [120, 122, 124] }, inside),
      ],
    });
    assert.equal(row?.what, "NAT, time in the program, 1 core");
    assert.deepEqual([row?.ours, row?.ratio, row?.target], ["122 ns", 0.5, "no target"]);
  });

  it("judges a target by the digits that are told", () => {
    const close = (own: number): boolean | undefined =>
      kernelRowsOf({
        long: false,
        cells: [cell("nft", "peer", { throughput: [1000] }), cell("script", "ours", { throughput: [own] })],
      })[0]?.met;
    assert.equal(close(996), true);
    assert.equal(close(994), false);
  });

  it("has no ratio for what failed in all rounds, and misses its target", () => {
    const [row] = kernelRowsOf({
      long: false,
      cells: [
        cell("nft", "peer", { throughput: [9, 9] }),
        cell("script", "ours", { throughput: [null, null] }),
      ],
    });
    assert.deepEqual([row?.ratio, row?.met], [Number.NaN, false]);
  });
});

describe("kernelTable()", () => {
  it("has a line for each experiment with its limits, and one for each program", () => {
    const drop = cell(
      "forwarding",
      "floor",
      { handled: [null, null, null] },
      { part: "drop", experiment: "forward" },
    );
    assert.equal(
      kernelTable({ long: false, cells: [...TCP.slice(3), drop] }),
      `| what | cores | C, as the script | script |
|---|---|---|---|
| NAT, TCP | 1 | 15.00 Gbit/s (10.00–20.00) | 9.00 Gbit/s (9.00–9.00) |

| what | cores | forwarding |
|---|---|---|
| drop at forward | 1 | failed |

Medians of 3 rounds; in brackets the least and the most; 4 turns failed and are left out; 0 of 9 turns disturbed by other programs.

| program | instructions: script | C, as the script | C, bare | bytes of machine code: script | C, as the script | C, bare |
|---|---|---|---|---|---|---|
| snat | 121 | 100 |  | 605 | 500 |  |
`,
    );
  });
});
