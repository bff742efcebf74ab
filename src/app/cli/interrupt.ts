/**
 * The end of commands that run until somebody stops them: SIGINT and SIGTERM end them in order, not in the middle.
 * @module
 */
import type { Duration } from "#base/time.ts";

/** What ended the wait. */
export type Ending = "signal" | "time" | "done";

/** Resolves on SIGINT or SIGTERM, after `limit` when there is one, or when `done` does. */
export async function untilInterrupted(
  limit: Duration | undefined,
  done?: Promise<unknown>,
): Promise<Ending> {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  const onSignal = (): void => resolve("signal");
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const timer = limit === undefined ? undefined : setTimeout(resolve, limit, "time");
  try {
    return await Promise.race([promise, ...(done ? [done.then((): Ending => "done")] : [])]);
  } finally {
    clearTimeout(timer);
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}
