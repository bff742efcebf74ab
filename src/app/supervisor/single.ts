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
 * Starts every service in its order.
 * @throws ConfigurationError or UnavailableError when one cannot start; those before it are stopped again.
 */
export async function startSingle(options: SingleOptions): Promise<{
  stop(): void;
  reload(): void;
  readonly ended: Promise<string | undefined>;
}> {
  const { configuration, run } = options;
  const names = servicesOf(configuration);
  const ended = Promise.withResolvers<string | undefined>();
  const running: { name: string; service: RunningService }[] = [];
  const stopAll = async (failed?: string): Promise<void> => {
    for (const { name, service } of running.splice(0).reverse()) {
      await service.stop();
      options.note("info", `${name} has ended`);
    }
    removeState(run);
    ended.resolve(failed);
  };
  claim(run, stateOf(options, names));
  for (const name of names) {
    const logger = serviceLogger(name, configuration.log, {
      write: (line) => options.log(name, line.trimEnd()),
    });
    try {
      running.push({ name, service: await startService({ name, configuration, run, single: true, logger }) });
      options.note("info", `${name} is ready`);
    } catch (error) {
      options.note("error", (error as ConfigurationError).message);
      await stopAll(name);
      break;
    }
  }
  if (running.length > 0) options.onUp({ configuration, run });
  return {
    stop: () => void stopAll(),
    reload: () => options.note("warn", "Cannot reload in one process: stop the gateway and start it again"),
    ended: ended.promise,
  };
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
