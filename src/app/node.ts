/**
 * A process on the bus: mailboxes of its own, links to everybody else's.
 * @module
 */
import { mkdirSync } from "node:fs";
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
import type { Contract } from "#contract/contract.ts";
import { offerSys } from "#contract/sys-provider.ts";
import { joinBus } from "#link/join.ts";
import type { LinkReport, Links } from "#link/links.ts";
import type { RightsRule } from "#link/rights.ts";
import { LinuxAmbient } from "#linux/ambient.ts";
import { LinuxClock, SteadyClock } from "#linux/clock.ts";
import { LinuxDirectoryWatcher } from "#linux/directory-watcher.ts";
import { LinuxRandom } from "#linux/random.ts";
import { LinuxStreamTransport } from "#linux/stream.ts";
import { isProcessName } from "#mailbox/address.ts";
import { Bus } from "#mailbox/bus.ts";
import type { Cause } from "#mailbox/cause.ts";
import { runDirectory } from "./run-directory.ts";

export interface NodeOptions {
  /** The run directory; `METANET_RUN`, `/run/metanet` or the user's own when absent. */
  readonly directory?: string;
  /** What the process offers; its mailboxes are made before anybody can reach it. */
  readonly contracts?: readonly Contract[];
  /** What users other than this process's own and root may do. With any rule, everybody may connect to ask. */
  readonly rights?: readonly RightsRule[];
}

/** A process on the bus. */
export class Node extends Bus {
  #links: Links | undefined;
  #endSys: (() => void) | undefined;

  constructor(name: string) {
    super({ name, clock: new LinuxClock(), steady: new SteadyClock(), ambient: new LinuxAmbient<Cause>() });
  }

  /** Goes among the others. @throws as {@link node}. */
  async join(options: NodeOptions): Promise<void> {
    const directory = options.directory ?? runDirectory();
    makeDirectory(directory);
    this.#endSys = offerSys(this, options.contracts, () => this.#links);
    for (const contract of options.contracts ?? []) this.offer(contract);
    const rules = options.rights ?? [];
    this.#links = await joinBus(this, {
      runDirectory: directory,
      transport: new LinuxStreamTransport(),
      watcher: new LinuxDirectoryWatcher(),
      random: new LinuxRandom(),
      rights: { uid: process.geteuid?.() ?? 0, rules },
      // The kernel keeps strangers out where no rule lets them in; where one does, the rights decide per mailbox.
      ...(rules.length > 0 ? { socket: { mode: 0o666 } } : {}),
    });
  }

  /** The links to other processes, now. */
  get links(): readonly LinkReport[] {
    return this.#links?.describe() ?? [];
  }

  /** Says goodbye: what is under way gets a second to end, and this process's listeners are taken out everywhere. */
  async close(): Promise<void> {
    this.#endSys?.();
    await this.#links?.close();
  }
}

/**
 * Joins the bus under a name. The process lives on until {@link Node.close}.
 * @throws ConfigurationError when the name cannot be one; AddressInUseError when a process of that name runs;
 *   PathTooLongError and UnavailableError when the socket cannot be made.
 */
export async function node(name: string, options: NodeOptions = {}): Promise<Node> {
  if (!isProcessName(name)) {
    throw new ConfigurationError(
      `Cannot join the bus as '${name}': a name has letters, digits, '_', '.' and '-', at most 64 of them`,
    );
  }
  const joined = new Node(name);
  await joined.join(options);
  return joined;
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UnavailableError(
      `Cannot make run directory ${directory}: ${why}; set METANET_RUN to a folder of your own`,
      { cause: error },
    );
  }
}
