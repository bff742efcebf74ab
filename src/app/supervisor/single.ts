/**
 * All services in one process, for small machines: each has its own name and socket on the bus, so that addresses
 * are the same as apart. What fails takes everything with it, and whoever started the process starts it again.
 * @module
 */
import { type ConfigurationError, UnavailableError } from "#base/errors.ts";
import type { Configuration } from "../config/schema.ts";
import { servicesOf } from "../config/service-options.ts";
import { serviceLogger } from "../service/child-main.ts";
import type { RunningService } from "../service/context.ts";
import { startService } from "../service/start.ts";
import type { LogSink } from "./log.ts";
import { claim, removeState, startTicksOf } from "./state-file.ts";

export interface SingleOptions {
  readonly configuration: Configuration;
  readonly file: string;
  readonly run: string;
  readonly log: LogSink;
  readonly note: (level: "info" | "warn" | "error", text: string) => void;
  readonly onUp: (gateway: { readonly configuration: Configuration; readonly run: string }) => void;
}

/**
 * Starts every service in its order; when one cannot start, those before it are stopped again and `ended` names it.
 * @throws ConfigurationError when somebody else runs there.
 */
export function startSingle(options: SingleOptions): {
  stop(): void;
  reload(): void;
  readonly ended: Promise<string | undefined>;
} {
  const { run } = options;
  claim(run, stateOf(options, servicesOf(options.configuration)));
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  return {
    stop,
    reload: () => options.note("warn", "Cannot reload in one process: stop the gateway and start it again"),
    ended: runUntil(stopped, options).finally(() => removeState(run)),
  };
}

/** The name of the service that could not start, if there is one. */
async function runUntil(stopped: Promise<void>, options: SingleOptions): Promise<string | undefined> {
  const { configuration, run } = options;
  const running: { name: string; service: RunningService }[] = [];
  let isStopped = false;
  void stopped.then(() => {
    isStopped = true;
  });
  let failed: string | undefined;
  for (const name of servicesOf(configuration)) {
    const logger = serviceLogger(name, configuration.log, {
      write: (line) => options.log(name, line.trimEnd()),
    });
    try {
      running.push({ name, service: await startService({ name, configuration, run, single: true, logger }) });
      options.note("info", `${name} is ready`);
    } catch (error) {
      options.note("error", (error as ConfigurationError).message);
      failed = name;
    }
    if (isStopped || failed !== undefined) break;
  }
  if (!isStopped && failed === undefined) {
    options.onUp({ configuration, run });
    await stopped;
  }
  for (const { name, service } of running.reverse()) {
    await service.stop();
    options.note("info", `${name} has ended`);
  }
  return failed;
}

function stateOf(options: SingleOptions, names: readonly string[]): Parameters<typeof claim>[1] {
  const startTicks = startTicksOf(process.pid);
  if (startTicks === undefined) throw new UnavailableError("Cannot supervise: /proc is not there");
  const since = Date.now();
  const services = names.map((name) => ({
    name,
    pid: process.pid,
    state: "ready" as const,
    restarts: 0,
    since,
  }));
  return { pid: process.pid, startTicks, since, configuration: options.file, single: true, services };
}
