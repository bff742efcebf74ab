/**
 * MetaNet itself, on the lab's gateway: writes its configuration file and runs `metanet up` on it, the way an
 * operator does.
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { stringify } from "yaml";
import { UnavailableError } from "#base/errors.ts";
import { type Duration, seconds } from "#base/time.ts";
import { readState } from "../supervisor/state-file.ts";
import { GATEWAY } from "./address-plan.ts";
import type { LabHost } from "./lab-host.ts";
import type { LabPlace } from "./lab-place.ts";
import type { LabProcess } from "./lab-process.ts";

/** A fresh process compiles its sources: on a small, busy machine that takes seconds. */
const START_TIMEOUT: Duration = seconds(30);

/** The gateway's services did not come up. */
export class GatewayStartError extends UnavailableError {
  override readonly code: string = "lab-gateway-start";
}

export interface GatewayOptions {
  /** All services in one process. */
  readonly single: boolean;
  /** How long a client may be silent before the portal logs it out, as the configuration writes it. */
  readonly idle: string;
}

/** One process as the supervisor reports it. */
export interface ServiceProcess {
  readonly name: string;
  readonly pid: number;
  readonly state: string;
}

export interface RunningGateway {
  readonly process: LabProcess;
  readonly configurationFile: string;
  readonly services: readonly ServiceProcess[];
}

/** `bin/metanet` of this checkout or package. */
export const METANET: string = join(import.meta.dirname, "..", "..", "..", "bin", "metanet");

/**
 * Starts the gateway's services and waits until all of them run.
 * @throws GatewayStartError with what they printed
 */
export async function startGateway(
  gateway: LabHost,
  place: LabPlace,
  options: GatewayOptions,
): Promise<RunningGateway> {
  const configurationFile = join(place.work, "gateway.yaml");
  writeFileSync(configurationFile, stringify(configuration(place, options)));
  const args = [METANET, "up", configurationFile, ...(options.single ? ["--single"] : [])];
  const process_ = await gateway.start("metanet", process.execPath, args, { METANET_RUN: place.run });
  const deadline = Date.now() + START_TIMEOUT;
  while (process_.exit === undefined && Date.now() < deadline) {
    const services = servicesOf(place.run);
    if (services.length > 0 && services.every(({ state }) => state === "ready")) {
      return { process: process_, configurationFile, services };
    }
    await pause(50);
  }
  const seen = process_.exit ?? `not all services run after ${START_TIMEOUT} ms`;
  throw new GatewayStartError(
    `Cannot start the gateway: ${seen}; \`metanet up\` printed "${process_.tail(8)}"`,
  );
}

/** The services as the supervisor reports them; none while it has not begun. */
function servicesOf(run: string): ServiceProcess[] {
  const services = readState(run)?.services ?? [];
  return services.map(({ name, pid, state }) => ({ name, pid: pid ?? 0, state }));
}

function configuration(place: LabPlace, options: GatewayOptions): object {
  const { inside, subnet, pool, portalPort, domain } = GATEWAY;
  return {
    name: "gateway",
    run: place.run,
    state: place.state,
    user: "nobody",
    // IPv6 clients keep their addresses on the way out, so the networks are named and both are forwarded.
    firewall: { inside: "lan0", outside: "wan0", masquerade: true, prefixes: [subnet.four, subnet.six] },
    dhcpd: {
      interface: "lan0",
      server: inside.four,
      subnet: subnet.four,
      pool: [pool.from, pool.to],
      routers: [inside.four],
      dns: [inside.four],
      domain,
      lease: "10m",
    },
    portald: {
      address: inside.four,
      address6: inside.six,
      port: portalPort,
      poll: "1s",
      idle: options.idle,
      session: "1h",
      title: "Welcome to the lab",
    },
  };
}
