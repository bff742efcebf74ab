/**
 * The life of a service in a process of its own: reads its configuration from the supervisor, starts, says that it
 * is ready, and ends when it is told to or when the supervisor is gone.
 * @module
 */
import { closeSync, writeSync } from "node:fs";
import { type DestinationStream, destination, type Logger, pino } from "pino";
import { ConfigurationError, type MetanetError } from "#base/errors.ts";
import { readLines } from "../cli/lines.ts";
import { parseConfiguration } from "../config/read.ts";
import type { LogLevel } from "../config/schema.ts";
import type { ServiceName } from "../config/service-options.ts";
import { EXIT_CONFIGURATION } from "../supervisor/supervision.ts";
import type { RunningService } from "./context.ts";
import { startService } from "./start.ts";

/** What the supervisor writes to a service's standard input, as one line of JSON; the end of it means: stop. */
export interface ServiceInput {
  /** For errors. */
  readonly file: string;
  /** The text of the configuration. */
  readonly text: string;
  readonly run: string;
}

/** What a service exits with after a defect of ours (sysexits.h, EX_SOFTWARE). */
const EXIT_DEFECT = 70;

/** The descriptor that takes a byte when the service is ready. */
const READY_DESCRIPTOR = 3;

const INPUT_BYTES_MAX = 8 * 1024 * 1024;

/** A log in pino's JSON lines, written before the call returns so that last words are not lost. */
export function serviceLogger(
  name: string,
  level: LogLevel,
  stream: DestinationStream = destination({ dest: 2, sync: true }),
): Logger {
  return pino({ name, level, base: { name } }, stream);
}

/** Runs one service until it is told to stop; the process ends with it. */
export async function runChild(name: ServiceName): Promise<void> {
  let logger = serviceLogger(name, "info");
  const die = (error: unknown, code: number): never => {
    const known = error instanceof Error && "code" in error && code !== EXIT_DEFECT;
    if (known) logger.fatal({ code: (error as MetanetError).code }, error.message);
    else logger.fatal({ err: error }, "a defect: please report it with these lines");
    process.exit(code);
  };
  process.on("uncaughtException", (error) => die(error, EXIT_DEFECT));
  process.on("unhandledRejection", (error) => die(error, EXIT_DEFECT));
  let running: RunningService | undefined;
  const stop = async (): Promise<void> => {
    await running?.stop();
    process.exit(0);
  };
  // A terminal sends SIGINT to the whole group; the supervisor says in which order services end.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => void stop());
  const start = async (input: ServiceInput): Promise<void> => {
    const configuration = parseConfiguration(input.file, input.text);
    logger = serviceLogger(name, configuration.log);
    running = await startService({ name, configuration, run: input.run, single: false, logger });
    writeSync(READY_DESCRIPTOR, "ready");
    closeSync(READY_DESCRIPTOR);
  };
  await readLines(process.stdin, INPUT_BYTES_MAX, {
    line: (line) => {
      start(JSON.parse(line) as ServiceInput).catch((error: unknown) => {
        die(error, error instanceof ConfigurationError ? EXIT_CONFIGURATION : codeOf(error));
      });
    },
    tooLong: () => die(new Error("the configuration is too large"), EXIT_CONFIGURATION),
  });
  logger.warn("the supervisor is gone");
  await stop();
}

/** What the world refuses now it may allow later; anything that is no error of ours is a defect. */
function codeOf(error: unknown): number {
  return error instanceof Error && "code" in error ? 1 : EXIT_DEFECT;
}
