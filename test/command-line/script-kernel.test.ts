/**
 * `metanet script check` about the kernel, as its users run it.
 * @module
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Outcome, run } from "./metanet-command.ts";

const KERNEL = `
import { drop, ipv4, type Packet, tcp, verdict } from "metanet/script";
export function judge(packet: Packet) {
  return packet.payload(ipv4)?.payload(tcp)?.destinationPort === 23 ? drop : verdict.continue;
}
export function writes(packet: Packet) {
  const ip = packet.payload(ipv4);
  if (ip) ip.timeToLive = 9;
}
export function halves(packet: Packet) {
  return packet.lengthBytes / 3 + 1 > 20 ? drop : verdict.continue;
}
`;

describe("metanet script check, of the kernel", () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "mn-"));
    writeFileSync(inFolder("kernel.ts"), KERNEL);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const inFolder = (name: string): string => join(folder, name);
  const script = (...args: string[]): Promise<Outcome> => run(folder, ["script", ...args]);

  it("check tells where in the kernel each function can run, and why not elsewhere", async () => {
    const { code, out } = await script("check", inFolder("kernel.ts"));
    assert.equal(code, 0, out);
    assert.match(
      out,
      /\njudge .*\n( {2}.*\n)+ {2}runs at netfilter's hooks, TCX ingress, TCX egress, XDP, in the kernel/,
    );
    assert.match(
      out,
      /\nwrites .*\n( {2}.*\n)+ {2}runs at TCX ingress, TCX egress, XDP, in the kernel: \d+ instr/,
    );
    assert.match(out, /\n {2}TCX and XDP only: netfilter programs only judge\n/);
    assert.match(
      out,
      /kernel\.ts:\d+:\d+ - kernel-fraction: packet\.lengthBytes \/ 3: .*; .*Math\.floor.*\n\n.*packet\.lengthBytes \/ 3.*\n +~+\n/,
    );
    const json = JSON.parse((await script("check", inFolder("kernel.ts"), "--json")).out);
    type Told = { name: string; engines: string[]; kernel: { places: { place: string; ok: boolean }[] } };
    const told = (json.functions as Told[]).map(({ name, engines, kernel }) => [
      name,
      engines,
      kernel.places.filter(({ ok }) => ok).map(({ place }) => place),
    ]);
    assert.deepEqual(told.sort(), [
      ["halves", ["user"], []],
      ["judge", ["user", "kernel"], ["netfilter", "tcx-ingress", "tcx-egress", "xdp"]],
      ["writes", ["user", "kernel"], ["tcx-ingress", "tcx-egress", "xdp"]],
    ]);
    const [problem] = json.functions.find(({ name }: { name: string }) => name === "halves").kernel.places[0]
      .problems;
    assert.deepEqual(
      [problem.code, problem.construct, problem.text],
      ["kernel-fraction", "packet.lengthBytes / 3", undefined],
    );
  });

  it("check --assembly shows a function's program below the lines of the script", async () => {
    const { code, out } = await script("check", inFolder("kernel.ts"), "--assembly", "judge");
    assert.equal(code, 0, out);
    assert.match(out, /^; judge for netfilter, ipv4, packets from their network header: \d+ instructions\n/);
    assert.match(out, /\n; kernel\.ts:\d+ .*destinationPort === 23.*\n +\d+: /);
    const refused = await script("check", inFolder("kernel.ts"), "--assembly", "writes", "--at", "netfilter");
    assert.deepEqual([refused.code, refused.out], [1, ""]);
    assert.match(refused.err, /kernel\.ts:\d+:\d+ - kernel-no-writes: /);
    const nowhere = await script("check", inFolder("kernel.ts"), "--assembly", "judge", "--at", "moon");
    assert.match(nowhere.err, /it takes netfilter or tcx-ingress or tcx-egress or xdp/);
  });
});
