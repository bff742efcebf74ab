/** @module */
import assert from "node:assert/strict";
import { it } from "node:test";
import { type NetpipeData, netpipeRowsOf, netpipeTable } from "./netpipe.ts";

type Curve = NetpipeData["curves"][number];

/** With blocks of 1, 32 and 1024 bytes. */
function curve(name: string, kind: Curve["kind"], rates: readonly (number | undefined)[]): Curve {
  const points = [1, 32, 1024].flatMap((bytes, index) => {
    const mbitPerSecond = rates[index];
    if (mbitPerSecond === undefined) return [];
    return [{ bytes, mbitPerSecond, seconds: (8e-6 * bytes) / mbitPerSecond }];
  });
  return { name, kind, points };
}

const DATA: NetpipeData = {
  cores: 1,
  long: false,
  foreign: [0, 0.5],
  curves: [
    curve("Linux SNAT/DNAT", "peer", [1, 40, 80]),
    curve("nft stateless", "peer", [2, 32, 160]),
    curve("C plain", "peer", [0.5, 16, 40]),
    curve("C batched", "peer", [0.5, 20, 80]),
    curve("nat.ts", "ours", [0.5, 16, 40]),
    curve("nat.ts in the kernel", "ours", [2.5, undefined, 200]),
  ],
};

const QUARTER_MORE = [1.25, [1.25, 1.25], true];

it("netpipeRowsOf() compares scripts with the better peer of where they run, over the sizes that both have", () => {
  assert.deepEqual(
    netpipeRowsOf(DATA).map(({ what, peer, ratio, limits, met }) => [what, peer, ratio, limits, met]),
    [
      ["NetPIPE through nat.ts, all blocks, 1 core", "C batched 80 Mbit/s", 0.8, [0.5, 1], false],
      ["NetPIPE through nat.ts, all blocks, 1 core", "nft stateless 160 Mbit/s", 0.25, [0.25, 0.5], true],
      [
        "NetPIPE through nat.ts in the kernel, all blocks, 1 core",
        "nft stateless 160 Mbit/s",
        ...QUARTER_MORE,
      ],
      [
        "NetPIPE through nat.ts in the kernel, below 64 bytes, 1 core",
        "nft stateless 8.0 us",
        ...QUARTER_MORE,
      ],
    ],
  );
});

it("netpipeTable() has a line for each curve", () => {
  const lines = netpipeTable(DATA).split("\n");
  assert.equal(lines[2], "| Linux SNAT/DNAT | 8.0 us | 80 Mbit/s |");
  assert.equal(lines.length - DATA.curves.length, 5);
});
