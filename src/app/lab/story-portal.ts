/**
 * The part of the story in front of and inside the portal: nothing passes before the login, a browser is led to
 * the login page, and afterwards the internet is there and every byte is counted.
 * @module
 */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CLIENTS, ECHO_PORT, INTERNET } from "./address-plan.ts";
import { browse } from "./browser.ts";
import { traffic, trafficArguments } from "./bus-eye.ts";
import { clientState } from "./dhcp-client.ts";
import { type Arrivals, arrivals } from "./internet.ts";
import type { Lab } from "./lab.ts";
import type { LabHost } from "./lab-host.ts";
import { fetchPage, isPortal, PORTAL_ORIGIN } from "./portal-visit.ts";
import { excerpt, type Step, type StepLog } from "./transcript.ts";

const [FIRST] = CLIENTS;
const SITE = "http://www.example.org/";
const DOWNLOAD_BYTES = 300_000;

/** How long a client waits for its IPv6 address: a router advertisement and duplicate detection (RFC 4862 §5.4). */
const SIX_WAIT_MS = 6000;

export function portalSteps(lab: Lab): Step[] {
  return [
    {
      key: "held",
      title: "Before the login nothing is forwarded: ping and TCP, IPv4 and IPv6",
      needs: ["lease1"],
      run: (log) => held(lab, log),
    },
    {
      key: "captive",
      title: "Plain HTTP before the login is answered with 307 to the login page",
      needs: ["lease1"],
      run: async (log) => {
        for (const family of ["-4", "-6"]) {
          const answer = await seenFetch(lab.client(FIRST.name), SITE, log, [family]);
          log.must(answer.status === 307, `status ${answer.status}`);
          log.must(isPortal(answer.location), `Location: ${answer.location ?? "none"}`);
        }
      },
    },
    {
      key: "login",
      title: "Chromium on client1 opens a page, meets the login page and submits it",
      needs: ["captive"],
      run: (log) => login(lab, log),
    },
    {
      key: "reach",
      title: "After the login the web site is reached",
      needs: ["login"],
      run: (log) => reach(lab, log),
    },
    {
      key: "counters",
      title: "The byte counters move, on the bus and on the status page",
      needs: ["login"],
      run: (log) => counters(lab, log),
    },
  ];
}

async function held(lab: Lab, log: StepLog): Promise<void> {
  const client = lab.client(FIRST.name);
  const six = await waitForSix(client);
  log.must(six !== undefined, `client1 has an IPv6 address from the router advertisement: ${six ?? "none"}`);
  const before = await arrivals(lab.topology.internet);
  const targets = [INTERNET.organisation.four, INTERNET.organisation.six];
  for (const target of targets) {
    const args = ["-n", "-c", "2", "-i", "0.2", "-W", "1", target];
    log.did(client.name, "ping", args);
    const ping = await client.run("ping", args, { accept: "any" });
    log.must(
      ping.code !== 0,
      `no answer: ${excerpt(ping)
        .replace(/^.*---/, "")
        .trim()}`,
    );
  }
  for (const target of targets) {
    const host = target.includes(":") ? `[${target}]` : target;
    const answer = await seenFetch(client, `http://${host}:${ECHO_PORT}/`, log, ["-m", "1"]);
    log.must(answer.status === 0, "no connection");
  }
  const after = await arrivals(lab.topology.internet);
  log.must(
    total(after) === total(before),
    `none of these packets reached the internet (its own counters: ${JSON.stringify(after)})`,
  );
}

async function login(lab: Lab, log: StepLog): Promise<void> {
  const client = lab.client(FIRST.name);
  const picture = (name: string): string => join(lab.place.kept, name);
  log.did(client.name, "chromium", ["--headless", SITE]);
  const sights = await browse(client, [
    { do: "open", url: SITE },
    { do: "picture", file: picture("1-login.png") },
    { do: "press", selector: "form button, form input[type=submit]" },
    { do: "picture", file: picture("2-after-login.png") },
    { do: "press", selector: "a.button" },
    { do: "picture", file: picture("3-web-site.png") },
  ]);
  const [opened, , pressed, , site] = sights;
  log.must(isPortal(opened?.url), `it is led to ${opened?.url} ("${opened?.title}")`);
  log.saw(`the button leads to ${pressed?.url} ("${pressed?.title}")`);
  log.must(
    site?.text.includes("lab's internet") ?? false,
    `and on to ${site?.url}: ${firstLines(site?.text)}`,
  );
  for (const name of ["1-login.png", "2-after-login.png", "3-web-site.png"]) {
    log.saw(`screenshot ${picture(name)}`);
  }
}

async function reach(lab: Lab, log: StepLog): Promise<void> {
  const client = lab.client(FIRST.name);
  // The browser logged in with one of its addresses; the portal lets the other pass when it first sees it, and sends
  // the browser back to where it wanted to go (-L).
  for (const family of ["-4", "-6"]) {
    const answer = await seenFetch(client, "http://example.com/", log, ["-L", family]);
    const arrived = answer.status === 200 && answer.body.includes("lab's internet");
    log.must(arrived, `status ${answer.status}: ${firstLines(text(answer.body))}`);
  }
  for (const target of [INTERNET.organisation.four, INTERNET.organisation.six]) {
    const args = ["-n", "-c", "1", "-W", "2", target];
    log.did(client.name, "ping", args);
    const ping = await client.run("ping", args, { accept: "any" });
    log.must(ping.code === 0, "the ping is answered");
  }
}

async function counters(lab: Lab, log: StepLog): Promise<void> {
  const client = lab.client(FIRST.name);
  const sum = async (): Promise<number> => {
    log.did("gateway", "metanet", trafficArguments(FIRST.mac));
    const rows = await traffic(lab, FIRST.mac);
    log.saw(
      rows.map((row) => `${row.address} up ${row.upBytes} B, down ${row.downBytes} B`).join("; ") || "none",
    );
    return rows.reduce((all, row) => all + row.downBytes, 0);
  };
  const before = await sum();
  const answer = await seenFetch(client, `http://example.com/bytes/${DOWNLOAD_BYTES}`, log);
  log.must(answer.body.length === DOWNLOAD_BYTES, `${answer.body.length} bytes came down`);
  const counted = (await sum()) - before;
  log.must(counted >= DOWNLOAD_BYTES, `the firewall counted ${counted} bytes for it, headers included`);
  const status = await seenFetch(client, `${PORTAL_ORIGIN}/status`, log);
  log.must(status.status === 200, `the status page says: ${firstLines(text(status.body))}`);
}

/** Fetches with the command on the record. */
export async function seenFetch(
  host: LabHost,
  url: string,
  log: StepLog,
  more: readonly string[] = [],
): ReturnType<typeof fetchPage> {
  const answer = await fetchPage(host, url, more);
  log.did(host.name, answer.command.command, answer.command.args);
  if (answer.problem !== "") log.saw(answer.problem);
  return answer;
}

async function waitForSix(client: LabHost): Promise<string | undefined> {
  const deadline = Date.now() + SIX_WAIT_MS;
  while (Date.now() < deadline) {
    const { six } = await clientState(client);
    if (six[0] !== undefined) return six[0];
    await pause(100);
  }
  return undefined;
}

function total(counts: Arrivals): number {
  return counts.ping4 + counts.ping6 + counts.tcp4 + counts.tcp6;
}

function firstLines(page: string | undefined): string {
  return (page ?? "").replaceAll(/\s+/g, " ").trim().slice(0, 160);
}

function text(page: string): string {
  return page.replaceAll(/<(style|script)[\s\S]*?<\/\1>/g, "").replaceAll(/<[^>]*>/g, " ");
}
