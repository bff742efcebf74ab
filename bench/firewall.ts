/**
 * Permits per second: the broker against the two ways people let clients pass without it.
 * @module
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { rootProblem } from "../test/lab/own-namespace.ts";
import type { Measured, Row } from "./measure.ts";

const run = promisify(execFile);

/** Empty without root: there is nothing to compare without a packet filter of one's own. */
export async function firewallRows(): Promise<Row[]> {
  const problem = rootProblem();
  if (problem !== false) {
    process.stderr.write(`firewall: left out, ${problem}\n`);
    return [];
  }
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, "peers", "permits.ts")]);
  const [each, lines, ruleSet, mailbox] = JSON.parse(stdout) as Measured[];
  if (!each || !lines || !ruleSet || !mailbox)
    throw new Error("Cannot compare permits: a subject is missing");
  return [
    row("permits through the rule set", ruleSet, lines, 1),
    row("permits through the broker's mailbox", mailbox, lines, 0.5),
    row("permits through the broker's mailbox", mailbox, each, 20),
  ];
}

function row(what: string, ours: Measured, peer: Measured, atLeast: number): Row {
  const ratio = peer.nanoseconds / ours.nanoseconds;
  return {
    what,
    ours: perSecond(ours),
    peer: `${peer.name} ${perSecond(peer)}`,
    ratio,
    target: `>= ${atLeast.toFixed(2)} x`,
    met: ratio >= atLeast,
  };
}

function perSecond(measured: Measured): string {
  return `${Math.round(1e9 / measured.nanoseconds).toLocaleString("en")}/s`;
}
