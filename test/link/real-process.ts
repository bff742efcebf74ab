/**
 * Processes of the machine for tests of links: this one joins a bus in a run directory of its own, others are started
 * from `worker.ts`, stopped and killed by their pids.
 * @module
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { joinBus } from "#link/join.ts";
import type { Links, LinksOptions } from "#link/links.ts";
import { LinuxAmbient } from "#linux/ambient.ts";
import { LinuxClock } from "#linux/clock.ts";
import { LinuxDirectoryWatcher } from "#linux/directory-watcher.ts";
import { LinuxRandom } from "#linux/random.ts";
import { LinuxStreamTransport } from "#linux/stream.ts";
import { Bus } from "#mailbox/bus.ts";
import type { Cause } from "#mailbox/cause.ts";

export interface Joined {
  readonly bus: Bus;
  readonly links: Links;
}

/** This process on the bus under a name; a test may take several names. */
export async function joined(
  runDirectory: string,
  name: string,
  options: Partial<LinksOptions> = {},
): Promise<Joined> {
  const bus = new Bus({ name, clock: new LinuxClock(), ambient: new LinuxAmbient<Cause>() });
  const links = await joinBus(bus, {
    runDirectory,
    transport: new LinuxStreamTransport(),
    watcher: new LinuxDirectoryWatcher(),
    random: new LinuxRandom(),
    rights: { uid: process.getuid?.() ?? -1 },
    ...options,
  });
  return { bus, links };
}

/** What a worker is to do; see `worker.ts`. */
export interface Task {
  readonly run: string;
  readonly name: string;
  readonly role: "owner" | "listener" | "observer" | "caller";
  /** The mailbox it owns or listens to. */
  readonly mailbox: string;
  /** How its listener answers. */
  readonly answers?: "at-once" | "never" | "stop";
  readonly timeoutMilliseconds?: number;
  /** A caller becomes this user, and calls these mailboxes. */
  readonly uid?: number;
  readonly calls?: readonly string[];
}

/** A run directory, and the processes in it; all is gone after `end`. */
export class Machine {
  readonly run: string = mkdtempSync(join(tmpdir(), "metanet-link-"));
  readonly #children: ChildProcess[] = [];
  readonly #joined: Joined[] = [];

  async join(name: string, options: Partial<LinksOptions> = {}): Promise<Joined> {
    const one = await joined(this.run, name, options);
    this.#joined.push(one);
    return one;
  }

  /** Starts a worker, and waits until it says that it is ready. */
  async start(task: Omit<Task, "run">): Promise<ChildProcess> {
    const child = fork(join(import.meta.dirname, "worker.ts"), [JSON.stringify({ ...task, run: this.run })], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#children.push(child);
    const first = await Promise.race([once(child, "message"), once(child, "exit")]);
    if (first[0] !== "ready") throw new Error(`worker ${task.name} ended with ${first[0]}`);
    return child;
  }

  /** Calls mailboxes as another user, and gives how each call ended: `ok`, or the error's code. */
  async runAs(uid: number, calls: readonly string[]): Promise<string[]> {
    chmodSync(this.run, 0o755);
    // A process of its own that becomes the other user after it has read its modules, as a service does.
    const task = { run: this.run, name: "stranger", role: "caller", mailbox: "", uid, calls };
    const child = fork(join(import.meta.dirname, "worker.ts"), [JSON.stringify(task)]);
    this.#children.push(child);
    const [outcome] = await once(child, "message");
    return outcome as string[];
  }

  async end(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    await Promise.all(this.#joined.map((one) => one.links.close()));
    rmSync(this.run, { recursive: true, force: true });
  }
}
