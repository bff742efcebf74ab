/**
 * Permits per second, the broker against the two ways people let clients pass without it; and what ten thousand
 * clients cost each packet.
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
  const [each, lines, ruleSet, mailbox] = await measuredBy("permits.ts");
  const [alone, crowded] = await measuredBy("forwarding.ts");
  if (!each || !lines || !ruleSet || !mailbox || !alone || !crowded) {
    throw new Error("Cannot compare: the peers measured too little");
  }
  return [
    row("permits through the rule set", ruleSet, lines, 1),
    row("permits through the broker's mailbox", mailbox, lines, 0.5),
    row("permits through the broker's mailbox", mailbox, each, 20),
    row("forwarded round trips, 10,000 clients", crowded, alone, 0.9),
  ];
}

/** What a peer program, in a process and namespace of its own, has measured. */
async function measuredBy(peer: string): Promise<Measured[]> {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, "peers", peer)]);
  return JSON.parse(stdout) as Measured[];
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
