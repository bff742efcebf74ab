/**
 * Tells a supervisor to stop its services, and waits until it is gone.
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Duration, seconds } from "#base/time.ts";
import { TimedOutError } from "#mailbox/errors.ts";
import { type SupervisorState, startTicksOf } from "../supervisor/state-file.ts";
import type { Terminal } from "./terminal.ts";

/** When a wait becomes worth a word. */
const PATIENCE: Duration = seconds(1);

export interface StopOptions {
  readonly timeout: Duration;
  /** The same as it was typed, for the error. */
  readonly asTyped: string;
  readonly terminal: Terminal;
}

/** @throws TimedOutError when it still runs after the time. */
export async function stopSupervisor(
  { pid, startTicks }: Pick<SupervisorState, "pid" | "startTicks">,
  { timeout, asTyped, terminal }: StopOptions,
): Promise<void> {
  process.kill(pid, "SIGTERM");
  const begin = performance.now();
  let told = false;
  while (startTicksOf(pid) === startTicks) {
    const waited = performance.now() - begin;
    if (waited > timeout) {
      const fix = `look at it with \`metanet status\`, or end it with kill -9 ${pid}`;
      throw new TimedOutError(`Cannot stop the gateway: process ${pid} still runs after ${asTyped}; ${fix}`);
    }
    if (waited > PATIENCE && !told) {
      told = true;
      terminal.note("Waiting for the services to end …");
    }
    await sleep(50);
  }
}
