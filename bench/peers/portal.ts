/**
 * Times the portal in a network namespace of its own: redirects against bare node:http, and authorisations through
 * the whole path (form, token, mailboxes, neighbour table, link, broker, rule set, session on disk) against six `nft`
 * processes for each login. Prints the rates as JSON.
 * @module
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { enterOwnNamespace } from "../../test/lab/own-namespace.ts";
import { BENCH_NETWORK, benchClient } from "./portal-clients.ts";

/** Per second, each the rates of the rounds. */
interface PortalRates {
  readonly redirects: number[];
  readonly closing: number[];
  readonly keeping: number[];
  readonly logins: number[];
  readonly sixProcesses: number[];
}

const ROUND_COUNT = 3;
const ADDRESS = "10.77.0.1";
const PORTAL_PORT = "5280";
const CLOSING_PORT = "5281";
const KEEPING_PORT = "5282";
const WARM_COUNT = 2000;
const LOGIN_COUNT = 8000;
const CONCURRENT_COUNT = "256";
/** `nft` processes that small portals start for a login: a rule and a counter for each direction, a mark, a list. */
const PROCESS_COUNT = 6;
const SIX_COUNT = 30;

const run = promisify(execFile);
const peer = (name: string): string => join(import.meta.dirname, name);
/** Options for node that its own processes are started with, to profile them. */
const profile = (process.env.PORTAL_PROFILE ?? "").split(" ").filter((word) => word !== "");
const folder = mkdtempSync(join(tmpdir(), "metanet-bench-"));
const directory = join(folder, "run");
mkdirSync(directory);
const children: ChildProcess[] = [];

async function start(...words: string[]): Promise<void> {
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  await new Promise((resolve) => child.stdout.once("data", resolve));
}

function makeNetwork(): void {
  enterOwnNamespace();
  const clientCount = WARM_COUNT + ROUND_COUNT * LOGIN_COUNT;
  const lines = [
    "link add lan0 type veth peer name far0",
    "link add wan0 type veth peer name far1",
    "link set far0 up",
    "link set lan0 up",
    `address add ${ADDRESS}/24 dev lan0`,
    // The clients are this machine itself, but the neighbour table tells them apart.
    `route add local ${BENCH_NETWORK} dev lo`,
    ...Array.from({ length: clientCount }, (_, index) => {
      const client = benchClient(index);
      return `neighbour add ${client.address} lladdr ${client.mac} dev lan0 nud permanent`;
    }),
  ];
  const file = join(folder, "network");
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  execFileSync("ip", ["-batch", file]);
}

async function redirectsAt(port: string): Promise<number> {
  const words = ["-t1", "-c64", "-d2s", "-H", "Host: web.example", `http://${ADDRESS}:${port}/news?id=1`];
  const { stdout } = await run("wrk", words);
  const rate = Number(/Requests\/sec:\s*([\d.]+)/.exec(stdout)?.[1]);
  const wrong = /Socket errors: connect [1-9]|timeout [1-9]/.exec(stdout)?.[0];
  if (!(rate > 0) || wrong !== undefined) throw new Error(`Cannot compare: wrk says ${wrong ?? stdout}`);
  return rate;
}

async function loginsOf(storm: string, lines: readonly string[]): Promise<number> {
  const child = run(storm, [ADDRESS, PORTAL_PORT, CONCURRENT_COUNT]);
  child.child.stdin?.end(lines.map((line) => `${line}\n`).join(""));
  const [count303 = 0, countOther = 0, took = 1] = (await child).stdout.split(" ").map(Number);
  if (count303 !== lines.length) {
    throw new Error(
      `Cannot compare: of ${lines.length} logins ${count303} succeeded and ${countOther} did not`,
    );
  }
  return (count303 * 1e9) / took;
}

/** One process after the other, as a shell script does it. */
function sixProcesses(): number {
  const started = process.hrtime.bigint();
  for (let count = 0; count < SIX_COUNT; count++) {
    const { mac, address } = benchClient(100_000 + count);
    const rules = [
      `add rule inet small up ether saddr ${mac} ip saddr ${address} counter accept`,
      `add rule inet small down ip daddr ${address} counter accept`,
      `add rule inet small marks ether saddr ${mac} meta mark set 1`,
      `add rule inet small up ip saddr ${address} counter`,
      `add rule inet small down ip daddr ${address} counter`,
      "list chain inet small marks",
    ];
    for (const rule of rules.slice(0, PROCESS_COUNT)) execFileSync("nft", rule.split(" "));
  }
  const took = Number(process.hrtime.bigint() - started);
  execFileSync("nft", ["flush table inet small"]);
  return (SIX_COUNT * 1e9) / took;
}

async function measured(): Promise<PortalRates> {
  makeNetwork();
  execFileSync("nft", [
    "add table inet small; add chain inet small up; add chain inet small down; add chain inet small marks",
  ]);
  const storm = join(folder, "login-storm");
  const file = join(folder, "clients");
  await run("cc", ["-O2", peer("login-storm.c"), "-o", storm]);
  await start(...profile, peer("portal-broker.ts"), directory);
  const clientCount = WARM_COUNT + ROUND_COUNT * LOGIN_COUNT;
  await start(
    ...profile,
    peer("portal-server.ts"),
    directory,
    ADDRESS,
    PORTAL_PORT,
    file,
    String(clientCount),
  );
  await start(peer("redirect-server.ts"), ADDRESS, CLOSING_PORT, KEEPING_PORT);
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  const rates: PortalRates = { redirects: [], closing: [], keeping: [], logins: [], sixProcesses: [] };
  await loginsOf(storm, lines.splice(0, WARM_COUNT));
  for (let round = 0; round < ROUND_COUNT; round++) {
    rates.closing.push(await redirectsAt(CLOSING_PORT));
    rates.redirects.push(await redirectsAt(PORTAL_PORT));
    rates.keeping.push(await redirectsAt(KEEPING_PORT));
    rates.sixProcesses.push(sixProcesses());
    rates.logins.push(await loginsOf(storm, lines.splice(0, LOGIN_COUNT)));
  }
  return rates;
}

try {
  process.stdout.write(JSON.stringify(await measured()));
} finally {
  for (const child of children) {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}
