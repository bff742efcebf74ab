import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KernelFeature } from "#linux/kernel-features.ts";
import { examine, judge } from "./examine.ts";

const NAMES = [
  "node",
  "run-directory",
  "root",
  "addon",
  "compiler",
  "user-namespaces",
  "iproute2",
  "veth",
  "bridge",
  "packet-socket",
  "nftables",
  "nat",
  "tproxy",
  "packet-queue",
  "packet-queue-bridge",
  "packet-queue-conntrack",
  "btf",
  "ipv6",
];

function without(...missing: string[]): KernelFeature[] {
  return NAMES.map((name) => ({ name, available: !missing.includes(name), neededFor: "x", fix: "y" }));
}

describe("judge()", () => {
  const rows: [missing: string[], up: boolean, lab: boolean][] = [
    [[], true, true],
    [["root"], false, true],
    [["user-namespaces"], true, true],
    [["root", "user-namespaces"], false, false],
    [["nftables"], false, false],
    [["veth"], true, false],
    [["packet-socket"], false, true],
    [["tproxy", "packet-queue", "btf", "ipv6", "compiler"], true, true],
  ];
  for (const [missing, up, lab] of rows) {
    it(`judge() without ${missing.join(" and ") || "nothing"}: up ${up}, lab ${lab}`, () => {
      const report = judge(without(...missing));
      assert.deepEqual([report.up, report.lab], [up, lab]);
    });
  }
});

describe("examine()", () => {
  it("examine() tries every feature the judgement names", async () => {
    const { checks } = await examine();
    assert.deepEqual(checks.map(({ name }) => name).toSorted(), NAMES.toSorted());
  });
});
