/**
 * What the clients of the interactive lab do all day: get an address, open a page, meet the portal, log in, surf,
 * log out, give the address back, and come again.
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { CLIENTS, type ClientPlan } from "./address-plan.ts";
import { DhcpClient } from "./dhcp-client.ts";
import type { Lab } from "./lab.ts";
import { fetchPage, logIn, logOut } from "./portal-visit.ts";

/** Tells one line of the lab's life: who did what. */
export type Tell = (who: string, what: string) => void;

const PAGES = ["http://example.org/", "http://www.example.com/", "http://example.com/bytes/50000"] as const;
/** One family, so that each line has one reason; the scripted story shows both. */
const FOUR = ["-4"] as const;
/** Between two things a client does. */
const STEP_PAUSE_MS = 3000;
/** Clients come one after the other, so that their lines can be read. */
const STAGGER_MS = 7000;
const AWAY_MS = 15_000;

/** Lets every client live until `stop`. */
export async function live(lab: Lab, tell: Tell, stop: AbortSignal): Promise<void> {
  await Promise.all(CLIENTS.map((plan, index) => lifeOf(lab, plan, index, tell, stop)));
}

async function lifeOf(
  lab: Lab,
  plan: ClientPlan,
  index: number,
  tell: Tell,
  stop: AbortSignal,
): Promise<void> {
  if (!(await rest(index * STAGGER_MS, stop))) return;
  while (!stop.aborted) {
    try {
      await oneVisit(lab, plan, tell, stop);
    } catch (error) {
      // Stopping the lab ends the client's programs half-way: that is no trouble worth a line.
      if (!stop.aborted)
        tell(plan.name, `has trouble: ${error instanceof Error ? error.message : String(error)}`);
    }
    await rest(AWAY_MS, stop);
  }
}

/** One client from its lease to its release. */
async function oneVisit(lab: Lab, plan: ClientPlan, tell: Tell, stop: AbortSignal): Promise<void> {
  const host = lab.client(plan.name);
  const client = new DhcpClient(host, plan.program);
  const open = async (url: string): Promise<void> => {
    const { status, location, body } = await fetchPage(host, url, FOUR);
    tell(
      plan.name,
      `opens ${url}: ${location ? `${status} to ${location}` : `${status}, ${body.length} bytes`}`,
    );
  };
  const state = await client.start();
  tell(plan.name, `has ${state.address} by ${plan.program}, router ${state.router}`);
  try {
    await open(PAGES[0]);
    if (!(await rest(STEP_PAUSE_MS, stop))) return;
    const answer = await logIn(host, FOUR);
    tell(plan.name, `presses the button of the login page: ${answer.status}`);
    for (const page of PAGES) {
      if (!(await rest(STEP_PAUSE_MS, stop))) return;
      await open(page);
    }
    if (!(await rest(STEP_PAUSE_MS, stop))) return;
    await logOut(host);
    tell(plan.name, "logs out");
    await open(PAGES[0]);
  } finally {
    if (!stop.aborted) {
      await client.release();
      tell(plan.name, `gives ${state.address} back and leaves`);
    }
  }
}

/** True after the pause, false when the lab is being stopped. */
async function rest(milliseconds: number, stop: AbortSignal): Promise<boolean> {
  await pause(milliseconds, undefined, { signal: stop }).catch(() => {});
  return !stop.aborted;
}
