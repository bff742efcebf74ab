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
  "packet-ring",
  "tun",
  "nftables",
  "nat",
  "tproxy",
  "packet-queue",
  "packet-queue-bridge",
  "packet-queue-conntrack",
  "btf",
  "kernel-programs",
  "kernel-programs-netfilter",
  "kernel-programs-tcx",
  "kernel-programs-xdp",
  "kernel-programs-pins",
  "ipv6",
];

function without(...missing: string[]): KernelFeature[] {
  return NAMES.map((name) => ({ name, available: !missing.includes(name), neededFor: "x", fix: "y" }));
}

describe("judge()", () => {
  const rows: [missing: string[], up: boolean, lab: boolean, script: boolean][] = [
    [[], true, true, true],
    [["root"], false, true, false],
    [["user-namespaces"], true, true, true],
    [["root", "user-namespaces"], false, false, false],
    [["nftables"], false, false, true],
    [["veth"], true, false, true],
    [["packet-socket"], false, true, true],
    [["packet-queue"], true, true, false],
    [
      [
        "tproxy",
        "packet-queue-bridge",
        "packet-queue-conntrack",
        "btf",
        "kernel-programs",
        "ipv6",
        "compiler",
      ],
      true,
      true,
      true,
    ],
  ];
  for (const [missing, up, lab, script] of rows) {
    it(`judge() without ${missing.join(" and ") || "nothing"}: up ${up}, lab ${lab}, script ${script}`, () => {
      const report = judge(without(...missing));
      assert.deepEqual([report.up, report.lab, report.script], [up, lab, script]);
    });
  }
});

describe("examine()", () => {
  it("examine() tries every feature the judgement names", async () => {
    const { checks } = await examine();
    assert.deepEqual(checks.map(({ name }) => name).toSorted(), NAMES.toSorted());
  });
});
