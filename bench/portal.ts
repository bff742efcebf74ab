/**
 * The portal: redirects per second against bare node:http that answers the same, and authorisations per second
 * through the whole path, every session on disk before its answer, against six `nft` processes for each login.
 * @module
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { rootProblem } from "../test/lab/own-namespace.ts";
import { median, type Row } from "./measure.ts";

const run = promisify(execFile);

/** What the design asks of both (§13), per second. */
const PER_SECOND_MIN = 5000;

/** Per second, one for each round. */
interface PortalRates {
  readonly redirects: readonly number[];
  readonly closing: readonly number[];
  readonly keeping: readonly number[];
  readonly logins: readonly number[];
  readonly sixProcesses: readonly number[];
}

/** Empty without root: the portal would have no firewall to ask. */
export async function portalRows(): Promise<Row[]> {
  const problem = rootProblem();
  if (problem !== false) {
    process.stderr.write(`portal: left out, ${problem}\n`);
    return [];
  }
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, "peers", "portal.ts")]);
  const rates = JSON.parse(stdout) as PortalRates;
  return [
    row("portal: redirects", rates.redirects, { name: "node:http", rates: rates.closing }),
    row("portal: redirects", rates.redirects, { name: "node:http, kept alive", rates: rates.keeping }),
    row("portal: authorisations", rates.logins, { name: "six nft processes", rates: rates.sixProcesses }),
  ];
}

function row(
  what: string,
  ours: readonly number[],
  peer: { readonly name: string; readonly rates: readonly number[] },
): Row {
  return {
    what,
    ours: perSecond(median(ours)),
    peer: `${peer.name} ${perSecond(median(peer.rates))}`,
    ratio: median(ours.map((rate, round) => rate / (peer.rates[round] ?? Number.NaN))),
    target: `>= ${perSecond(PER_SECOND_MIN)}`,
    met: median(ours) >= PER_SECOND_MIN,
  };
}

function perSecond(rate: number): string {
  return `${Math.round(rate).toLocaleString("en")}/s`;
}
