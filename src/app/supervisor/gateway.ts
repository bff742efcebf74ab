/**
 * One run of the gateway from its configuration file: the services apart or in one process, the machine's own state
 * around them, and the signals an operator sends.
 * @module
 */
import { mkdirSync, readFileSync } from "node:fs";
import { ConfigurationError, MetanetError } from "#base/errors.ts";
import { gidOf, uidOf } from "#linux/accounts.ts";
import { SteadyClock } from "#linux/clock.ts";
import { identityAfterDrop } from "#linux/privileges.ts";
import { accessOf } from "../config/access.ts";
import { type MachineFacts, parseConfiguration, readConfiguration } from "../config/read.ts";
import type { Configuration } from "../config/schema.ts";
import { type ServiceName, servicesOf } from "../config/service-options.ts";
import { makeSystemRunDirectory, runDirectory } from "../run-directory.ts";
import type { ServiceInput } from "../service/child-main.ts";
import { removeLeftoverSockets } from "../service/leftover-sockets.ts";
import { keepMachine, leaveMachine, lookAtMachine } from "../service/machine.ts";
import type { LogSink } from "./log.ts";
import { startSingle } from "./single.ts";
import type { ServicePlan } from "./supervision.ts";
import { Supervisor } from "./supervisor.ts";

export interface GatewayOptions {
  /** The configuration's path, absolute. */
  readonly file: string;
  readonly single: boolean;
  /** The program and its first arguments that run `service NAME`. */
  readonly command: readonly [program: string, ...args: string[]];
  readonly log: LogSink;
  readonly note: (level: "info" | "warn" | "error", text: string) => void;
  readonly onUp: (gateway: RunningGateway) => void;
}

export interface RunningGateway {
  readonly configuration: Configuration;
  readonly run: string;
}

/** A gateway that runs, and the three things an operator can do to it. */
interface Handle {
  stop(): void;
  reload(): void;
  /** The service that could not be started, if that is why it ended. */
  readonly ended: Promise<string | undefined>;
}

/** The services that may run before this one: everybody needs the broker. */
export function plansOf(configuration: Configuration): ServicePlan[] {
  const names = servicesOf(configuration);
  return names.map((name) => ({
    name,
    after: name !== "firewall" && names.includes("firewall") ? ["firewall"] : [],
  }));
}

/** The interfaces of the network namespace this process is in. */
function interfaceNames(): string[] {
  // Not /sys/class/net: that shows the namespace /sys was mounted in.
  const lines = readFileSync("/proc/self/net/dev", "utf8").split("\n").slice(2);
  return lines.flatMap((line) => /^\s*([^:\s]+):/.exec(line)?.[1] ?? []);
}

/** What a configuration that is used here is held against. */
export function machineFacts(): MachineFacts {
  return { interfaces: interfaceNames(), uidOf, gidOf };
}

/**
 * Runs the gateway until it is told to stop.
 * @returns whether it ended because it was told to.
 * @throws ConfigurationError when it cannot start; nothing of it is left behind then.
 */
export async function runGateway(options: GatewayOptions): Promise<boolean> {
  const text = readConfiguration(options.file);
  const configuration = parseConfiguration(options.file, text, machineFacts());
  requireRoot(configuration);
  const run = configuration.run ?? runDirectory();
  makeRunDirectory(run, configuration);
  // Everything this process and its children look up goes to the same place.
  process.env.METANET_RUN = run;
  let handle: Handle | undefined;
  let isStopped = false;
  const stop = (): void => {
    isStopped = true;
    handle?.stop();
  };
  const reload = (): void => handle?.reload();
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  process.on("SIGHUP", reload);
  try {
    const before = await lookAtMachine(configuration, run);
    if (isStopped) return true;
    if (configuration.firewall) keepMachine(before, run);
    handle = options.single
      ? startSingle({ ...options, configuration, run })
      : startApart(options, { configuration, text, run });
    const failed = await handle.ended;
    await removeLeftoverSockets(run, servicesOf(configuration));
    // What an earlier run left is still in use by whoever may pass; a failed start must not throw them out.
    if (configuration.firewall && (failed === undefined || !before.table)) await leaveMachine(before, run);
    if (failed === undefined) return true;
    options.note("error", `${failed} cannot run as configured: everything is stopped again`);
    return false;
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
    process.off("SIGHUP", reload);
  }
}

function requireRoot(configuration: Configuration): void {
  if (process.geteuid?.() === 0) return;
  const names = servicesOf(configuration).filter((name) => name !== "portald");
  if (names.length === 0) return;
  throw new ConfigurationError(
    `Cannot start ${names.join(" and ")}: only root may; run it with sudo, or try it in the lab with \`metanet lab\``,
  );
}

/** Also for a run directory of an earlier version, in which the services made their sockets themselves. */
function makeRunDirectory(run: string, configuration: Configuration): void {
  try {
    // Before anything is made: a user that is not there is a mistake in the configuration.
    identityAfterDrop(configuration.user);
    if (process.geteuid?.() === 0) makeSystemRunDirectory(run);
    else mkdirSync(run, { recursive: true, mode: 0o700 });
  } catch (cause) {
    if (cause instanceof MetanetError) throw cause;
    const fix = "name another folder as `run:` in the configuration";
    throw new ConfigurationError(`Cannot use the run directory ${run}: ${String(cause)}; ${fix}`, { cause });
  }
}

interface Loaded {
  readonly configuration: Configuration;
  readonly text: string;
  readonly run: string;
}

function startApart(options: GatewayOptions, first: Loaded): Handle {
  let loaded = first;
  const [program, ...args] = options.command;
  const supervisor = new Supervisor({
    clock: new SteadyClock(),
    directory: first.run,
    configuration: options.file,
    plans: plansOf(first.configuration),
    commandOf: (name) => [program, ...args, "service", name],
    inputOf: () =>
      JSON.stringify({ file: options.file, text: loaded.text, run: loaded.run } satisfies ServiceInput),
    environment: process.env,
    log: options.log,
    note: options.note,
    onUp: () => options.onUp(loaded),
  });
  supervisor.start();
  return {
    stop: () => supervisor.stop(),
    ended: supervisor.ended,
    reload: () => {
      const next = reread(options, loaded);
      if (!next) return;
      const names = changedServices(loaded.configuration, next.configuration);
      loaded = next;
      options.note(
        "info",
        names.length > 0 ? `reloaded; restarting ${names.join(", ")}` : "reloaded; nothing changed",
      );
      supervisor.restart(names);
    },
  };
}

/** The configuration as it is now; `undefined`, with a note why, when it cannot be used. */
function reread(options: GatewayOptions, loaded: Loaded): Loaded | undefined {
  try {
    const text = readConfiguration(options.file);
    const configuration = parseConfiguration(options.file, text, machineFacts());
    const before = servicesOf(loaded.configuration).join(", ");
    const services = servicesOf(configuration).join(", ");
    const run = configuration.run ?? loaded.run;
    if (services === before && run === loaded.run) return { configuration, text, run };
    options.note("error", "Cannot reload: services or `run:` changed; stop the gateway and start it again");
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    options.note("error", `Cannot reload: ${error.message}; everything goes on as it was`);
  }
  return undefined;
}

/** The services that see a difference between two configurations. */
export function changedServices(before: Configuration, next: Configuration): ServiceName[] {
  const shared = ({ name, user, state, log }: Configuration): string =>
    JSON.stringify({ name, user, state, log });
  const all = shared(before) !== shared(next);
  // The broker's rules depend on the portal's port, its list of sockets on the DHCP server's interface, and the
  // portal looks for clients on the broker's inside, where packetd's scripts count for it.
  const seen = (name: ServiceName, { firewall, dhcpd, portald, packetd }: Configuration): unknown =>
    ({
      firewall: [firewall, dhcpd?.interface, portald?.port],
      dhcpd: [dhcpd],
      portald: [portald, firewall?.inside],
      packetd: [packetd, portald?.accounting, firewall?.inside],
    })[name];
  const view = (name: ServiceName, configuration: Configuration): string =>
    JSON.stringify([seen(name, configuration), accessOf(configuration, name)]);
  return servicesOf(next).filter((name) => all || view(name, before) !== view(name, next));
}
