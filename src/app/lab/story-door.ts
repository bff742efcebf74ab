/**
 * The part of the story about the door: a log-out shuts it and cuts what is established, silence shuts it too.
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { CLIENTS, INTERNET } from "./address-plan.ts";
import { traffic, trafficArguments } from "./bus-eye.ts";
import { arrivals } from "./internet.ts";
import type { Lab } from "./lab.ts";
import { logIn, logOut } from "./portal-visit.ts";
import { seenFetch } from "./story-portal.ts";
import type { Step, StepLog } from "./transcript.ts";

const [FIRST, SECOND] = CLIENTS;
const SITE = "http://example.org/";

/** Idle time plus the portal's own looking round, with room for a busy machine. */
const IDLE_WAIT_MS = 20_000;

/** Packets under way when the door shuts may still arrive; after this long a new line counts as a leak. */
const SETTLE_MS = 400;
const WATCH_MS = 1500;

export function doorSteps(lab: Lab): Step[] {
  return [
    {
      key: "logout",
      title: "Logging out shuts the door and cuts an established connection",
      needs: ["login"],
      run: (log) => logout(lab, log),
    },
    {
      key: "idle",
      title: `${SECOND.name} logs in and falls silent: the idle time-out shuts the door`,
      needs: ["lease2"],
      run: (log) => idle(lab, log),
    },
  ];
}

async function logout(lab: Lab, log: StepLog): Promise<void> {
  const client = lab.client(FIRST.name);
  // A browser's page may have fallen idle meanwhile: then the client logs in once more.
  if ((await traffic(lab, FIRST.mac)).length === 0) await logIn(client);
  const args = ["-sSN", "-m", "60", `${SITE}drip`];
  log.did(client.name, "curl", args);
  const drip = await client.start("drip", "curl", args);
  let count = 0;
  drip.onLine(() => count++);
  await pause(1000);
  log.must(count > 0, `a long answer is coming in: ${count} lines in a second`);
  log.did(client.name, "curl", ["-X", "POST", "http://…/logout"]);
  const answer = await logOut(client);
  log.saw(`the portal answered ${answer.status}`);
  await pause(SETTLE_MS);
  const before = { count, ...(await arrivals(lab.topology.internet)) };
  await pause(WATCH_MS);
  log.must(count === before.count, `the established connection is cut: ${count - before.count} more lines`);
  const after = await seenFetch(client, SITE, log);
  log.must(after.status === 307, `a new one is led to the login page again (${after.status})`);
  const ping = await client.run("ping", ["-n", "-c", "1", "-W", "1", INTERNET.organisation.four], {
    accept: "any",
  });
  log.must(ping.code !== 0, "a ping is not answered");
  await drip.stop();
}

async function idle(lab: Lab, log: StepLog): Promise<void> {
  const client = lab.client(SECOND.name);
  log.did(client.name, "curl", ["-d", "…", "the form of the login page"]);
  await logIn(client);
  const reached = await seenFetch(client, SITE, log);
  log.must(reached.status === 200, `it is in (${reached.status})`);
  const silentFrom = performance.now();
  log.did("gateway", "metanet", trafficArguments(SECOND.mac));
  while ((await traffic(lab, SECOND.mac)).length > 0 && performance.now() - silentFrom < IDLE_WAIT_MS) {
    await pause(300);
  }
  const took = ((performance.now() - silentFrom) / 1000).toFixed(1);
  log.must((await traffic(lab, SECOND.mac)).length === 0, `its permit is gone after ${took} s of silence`);
  const after = await seenFetch(client, SITE, log);
  log.must(after.status === 307, `and HTTP is led to the login page again (${after.status})`);
}
