/**
 * Where the messages of the services go: as they are (pino's JSON lines) for programs and files, one readable line
 * each for terminals.
 * @module
 */
import { appendFileSync, renameSync, statSync } from "node:fs";
import { printable } from "../cli/table.ts";

/** Size at which a log file becomes `FILE.1` and a new one begins. */
export const LOG_BYTES_MAX: number = 10 * 1024 * 1024;

/** Bytes of one message, at the most; the rest of a longer one is cut off. */
export const LOG_LINE_BYTES_MAX: number = 64 * 1024;

/** Takes one line of a service, without its end. */
export type LogSink = (service: string, line: string) => void;

const LEVELS: readonly (readonly [least: number, name: string, colour: number])[] = [
  [60, "fatal", 31],
  [50, "error", 31],
  [40, "warn", 33],
  [30, "info", 32],
  [20, "debug", 36],
  [0, "trace", 90],
];

/** Readable lines: the service, the time, the level, the message and its fields. */
export function terminalLog(write: (text: string) => void, colour: boolean): LogSink {
  return (service, line) => write(formatLogLine(service, line, colour));
}

/** A line of a service for people; what is not pino's JSON is shown as it is. */
export function formatLogLine(service: string, line: string, colour: boolean): string {
  const name = service.padEnd(10);
  let record: { [key: string]: unknown };
  try {
    record = JSON.parse(line) as { [key: string]: unknown };
  } catch {
    return `${name} ${printable(line)}`;
  }
  if (typeof record !== "object" || record === null) return `${name} ${printable(line)}`;
  const { level, time, msg, err, pid: _pid, hostname: _hostname, name: _name, ...rest } = record;
  const [, word, code] = LEVELS.find(([least]) => Number(level) >= least) ?? [0, "info", 32];
  const shown = colour ? `\u001b[${code}m${word.padEnd(5)}\u001b[0m` : word.padEnd(5);
  const clock = typeof time === "number" ? new Date(time).toISOString().slice(11, 23) : "            ";
  const fields = Object.entries(rest).map(([key, value]) => {
    return `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`;
  });
  const text = [String(msg ?? ""), ...fields]
    .filter((part) => part !== "")
    .map(printable)
    .join("  ");
  const stack = typeof err === "object" && err !== null && "stack" in err ? `\n${String(err.stack)}` : "";
  return `${name} ${clock} ${shown} ${text}${stack}`;
}

/** JSON lines as they are, for a pipe. */
export function plainLog(write: (text: string) => void): LogSink {
  return (service, line) =>
    write(isJsonObject(line) ? line : JSON.stringify({ level: 50, name: service, msg: line }));
}

/** JSON lines in a file, of which the last {@link LOG_BYTES_MAX} to twice as much are kept. */
export function fileLog(file: string): LogSink {
  return plainLog((text) => {
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX) renameSync(file, `${file}.1`);
    appendFileSync(file, `${text}\n`, { mode: 0o640 });
  });
}

function isJsonObject(line: string): boolean {
  return line.startsWith("{") && line.endsWith("}");
}
