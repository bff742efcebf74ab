/**
 * The threads of one isolate: one for each of its scripts' queues.
 * @module
 */
import { IsolateThread, type ThreadOptions, type ThreadState } from "./isolate-thread.ts";

export class IsolateGroup {
  readonly name: string;
  readonly threads: readonly IsolateThread[];

  /** @param makeOptions the options of each thread, by its number */
  constructor(name: string, count: number, makeOptions: (member: number) => ThreadOptions) {
    this.name = name;
    this.threads = Array.from({ length: count }, (_, member) => new IsolateThread(makeOptions(member)));
  }

  /** The worst of its threads' states. */
  get state(): ThreadState {
    const states = this.threads.map(({ state }) => state);
    if (states.includes("failed")) return "failed";
    return states.includes("restarting") ? "restarting" : "running";
  }

  /** Does something on every thread at once; when one fails, with its error and not before all are done. */
  async all<R>(action: (thread: IsolateThread, member: number) => Promise<R>): Promise<R[]> {
    const results = await Promise.allSettled(this.threads.map(action));
    return results.map((result) => {
      if (result.status === "rejected") throw result.reason;
      return result.value;
    });
  }

  async close(): Promise<void> {
    await this.all((thread) => thread.close());
  }
}
