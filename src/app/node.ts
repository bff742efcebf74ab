/**
 * A process on the bus: mailboxes of its own, links to everybody else's.
 * @module
 */
import { lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
import type { Contract } from "#contract/contract.ts";
import { offerSys } from "#contract/sys-provider.ts";
import type { ListenOptions, PeerCredentials } from "#io/stream.ts";
import { joinBus } from "#link/join.ts";
import type { LinkReport, Links } from "#link/links.ts";
import type { RightsOptions, RightsRule } from "#link/rights.ts";
import { LinuxAmbient } from "#linux/ambient.ts";
import { LinuxClock, SteadyClock } from "#linux/clock.ts";
import { LinuxDirectoryWatcher } from "#linux/directory-watcher.ts";
import { LinuxRandom } from "#linux/random.ts";
import type { ReservedSocket } from "#linux/reserved-socket.ts";
import { LinuxStreamTransport } from "#linux/stream.ts";
import { isProcessName } from "#mailbox/address.ts";
import { Bus } from "#mailbox/bus.ts";
import type { Cause } from "#mailbox/cause.ts";
import type { OrderPolicy } from "#mailbox/order-policy.ts";
import { requireReadable, runDirectory } from "./run-directory.ts";

export interface NodeOptions {
  /** The run directory; `METANET_RUN`, `/run/metanet` or the user's own when absent. */
  readonly directory?: string;
  /** What the process offers; its mailboxes are made before anybody can reach it. */
  readonly contracts?: readonly Contract[];
  /** What users other than this process's own and root may do. With any rule, everybody may connect to ask. */
  readonly rights?: readonly RightsRule[];
}

/** What the gateway's services need beyond what programs do. */
export interface ServiceNodeOptions extends NodeOptions {
  /** Where the operator wants listeners of other processes. */
  readonly order?: OrderPolicy;
  /** How an operator grants a right that is missing. */
  readonly fix?: RightsOptions["fix"];
  /** The socket's file; by default the kernel lets nobody else in, or everybody where there are `rights`. */
  readonly socket?: ListenOptions;
  /** The socket, made already while the process was root. */
  readonly reserved?: ReservedSocket | undefined;
  /** The user who may do everything besides root; this process's own unless said. */
  readonly owner?: number;
  /** Names that only one user may come under, beside those whose sockets are there: the user's number by name. */
  readonly names?: Readonly<Record<string, number>>;
}

/** A process on the bus. */
export class Node extends Bus {
  #links: Links | undefined;
  #endSys: (() => void) | undefined;

  constructor(name: string, order: OrderPolicy | undefined) {
    const clocks = { clock: new LinuxClock(), steady: new SteadyClock() };
    super({ name, ...clocks, ambient: new LinuxAmbient<Cause>(), ...(order ? { order } : {}) });
  }

  /** Goes among the others. @throws as {@link node}. */
  async join(options: ServiceNodeOptions): Promise<void> {
    const directory = options.directory ?? runDirectory();
    makeDirectory(directory);
    requireReadable(directory);
    this.#endSys = offerSys(this, options.contracts, () => this.#links);
    for (const contract of options.contracts ?? []) this.offer(contract);
    const { rights: rules = [], fix, names = {} } = options;
    this.#links = await joinBus(this, {
      runDirectory: directory,
      transport: new LinuxStreamTransport(options.reserved),
      watcher: new LinuxDirectoryWatcher(),
      random: new LinuxRandom(),
      rights: { uid: options.owner ?? process.geteuid?.() ?? 0, rules, ...(fix ? { fix } : {}) },
      // The kernel keeps strangers out where no rule lets them in; where one does, the rights decide per mailbox.
      socket: options.socket ?? (rules.length > 0 ? { mode: 0o666 } : {}),
      // Who offers nothing need not be found; in a run directory of root's it could not have a socket.
      mustListen: (options.contracts ?? []).length > 0,
      isNameOf: (name, peer) => isNameOf(join(directory, name), names[name], peer),
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
 * Joins the bus under a name. The process lives on until {@link Node.close}. Where it may not make a socket in the
 * run directory, and offers no contracts, others can only answer it.
 * @throws ConfigurationError when the name cannot be one; AddressInUseError when a process of that name runs;
 *   PathTooLongError and UnavailableError when the socket cannot be made.
 */
export async function node(name: string, options: NodeOptions = {}): Promise<Node> {
  return await serviceNode(name, options);
}

/** {@link node} for the gateway's services. */
export async function serviceNode(name: string, options: ServiceNodeOptions): Promise<Node> {
  if (!isProcessName(name)) {
    throw new ConfigurationError(
      `Cannot join the bus as '${name}': a name has letters, digits, '_', '.' and '-', at most 64 of them`,
    );
  }
  const joined = new Node(name, options.order);
  await joined.join(options);
  return joined;
}

/**
 * Whether a process of another user may come under a name: not when the name's socket is somebody else's, and not
 * when the name is kept for somebody else.
 */
function isNameOf(socket: string, keptFor: number | undefined, peer: PeerCredentials): boolean {
  const file = lstatSync(socket, { throwIfNoEntry: false });
  return (file?.uid ?? peer.uid) === peer.uid && (keptFor ?? peer.uid) === peer.uid;
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
