/**
 * `metanet lab` and `npm start`: a living network until Ctrl-C. Says what is running and what to try, opens doors
 * for the user's own browser, and lets three clients come, surf and go.
 * @module
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { seconds } from "#base/time.ts";
import { CLIENTS, VISITOR } from "./address-plan.ts";
import { followDecisions } from "./decisions.ts";
import { DhcpClient } from "./dhcp-client.ts";
import type { GatewayOptions } from "./gateway.ts";
import type { Lab } from "./lab.ts";
import { live, type Tell } from "./life.ts";
import { EXIT } from "./once.ts";
import { PORTAL_ORIGIN } from "./portal-visit.ts";
import type { RelayOrder } from "./relay-order.ts";
import { scriptArguments } from "./script-arguments.ts";
import { type DoorPorts, doorSocket } from "./visitor-door.ts";
import { LISTENER, welcome } from "./welcome.ts";

/** The web site behind the second door. */
const SITE_ORIGIN = "http://www.example.org";

export interface InteractiveOptions {
  readonly json: boolean;
  readonly gateway: Omit<GatewayOptions, "idle">;
  /** Aborted when the user wants the lab to stop. */
  readonly stop: AbortSignal;
  readonly print: (line: string) => void;
  /** Loopback ports of the real machine. */
  readonly ports: DoorPorts;
}

/** Builds the lab and keeps it alive until `stop`; resolves with the exit code. */
export async function runInteractive(lab: Lab, options: InteractiveOptions): Promise<number> {
  const tell = teller(options);
  tell("lab", "building an internet, a gateway and clients in network namespaces");
  await lab.build([...CLIENTS, VISITOR]);
  tell("lab", "starting MetaNet on the gateway");
  await lab.up({ ...options.gateway, idle: "60s" });
  const visitor = lab.client(VISITOR.name);
  const { address } = await new DhcpClient(visitor, VISITOR.program).start();
  await openRelay(lab, options.ports);
  const listenerFile = join(lab.place.kept, "listener.ts");
  writeFileSync(listenerFile, LISTENER);
  if (options.json) {
    const services = lab.gateway.services;
    options.print(JSON.stringify({ event: "ready", run: lab.place.run, ports: options.ports, services }));
  } else {
    for (const line of welcome(lab, { ports: options.ports, visitorAddress: address, listenerFile })) {
      options.print(line);
    }
  }
  const stopFollowing = await followDecisions(lab, tell);
  try {
    await live(lab, tell, options.stop);
  } finally {
    await stopFollowing();
  }
  tell("lab", "cleaning up");
  return EXIT.ok;
}

async function openRelay(lab: Lab, ports: DoorPorts): Promise<void> {
  const local = (port: number): string => `http://127.0.0.1:${port}`;
  const socket = (door: keyof DoorPorts): string => doorSocket(lab.place.id, door);
  const order: RelayOrder = {
    portal: { inside: PORTAL_ORIGIN, outside: local(ports.portal), socket: socket("portal") },
    site: { inside: SITE_ORIGIN, outside: local(ports.site), socket: socket("site") },
    proxy: { socket: socket("proxy") },
  };
  const args = [...scriptArguments("visitor-relay"), JSON.stringify(order)];
  const relay = await lab.client(VISITOR.name).start("relay", process.execPath, args);
  await relay.line(/^ready$/, seconds(10));
}

function teller(options: InteractiveOptions): Tell {
  const startedAt = performance.now();
  return (who, what) => {
    const at = (performance.now() - startedAt) / 1000;
    if (options.json)
      options.print(JSON.stringify({ event: "life", seconds: Number(at.toFixed(3)), who, what }));
    else options.print(`${at.toFixed(1).padStart(7)} s  ${who.padEnd(9)} ${what}`);
  };
}
