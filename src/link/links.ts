/**
 * The links of one process: its own listener in the run directory, a connection to each process it talks to, and the
 * bus's way to mailboxes elsewhere.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import { LimitExceededError, UnavailableError } from "#base/errors.ts";
import { formatHex } from "#base/hex.ts";
import type { Random } from "#base/random.ts";
import type { Duration } from "#base/time.ts";
import type { DirectoryWatch, DirectoryWatcher } from "#io/directory-watcher.ts";
import {
  type ListenOptions,
  NoAccessError,
  type PeerCredentials,
  type Stream,
  type StreamListener,
  type StreamTransport,
} from "#io/stream.ts";
import { formatAddress, type MailboxAddress } from "#mailbox/address.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { CauseRecord } from "#mailbox/cause.ts";
import { DeniedError, PeerGoneError } from "#mailbox/errors.ts";
import type { Listener } from "#mailbox/listener.ts";
import type { Message } from "#mailbox/message.ts";
import type { Attachment, RemoteListener, RemoteObserver, Router } from "#mailbox/router.ts";
import { AWAY_KEPT, LINK_COUNT_MAX, ORDER_COUNT_MAX } from "./limits.ts";
import { Link, type LinkHost } from "./link.ts";
import { Order } from "./order.ts";
import { Peer, type PeerHost } from "./peer.ts";
import { Rights, type RightsOptions } from "./rights.ts";

/** What a process needs to be linked to others. */
export interface LinksOptions {
  /** Where every process's socket is, named after it; without a slash at the end. */
  readonly runDirectory: string;
  readonly transport: StreamTransport;
  readonly watcher: DirectoryWatcher;
  readonly random: Random;
  readonly rights: RightsOptions;
  /** Mode and owner of the socket's file; only its user unless told otherwise. */
  readonly socket?: ListenOptions;
  /** Whether a process that may not make a socket is an error (the default), or only reached by whom it reaches. */
  readonly mustListen?: boolean;
  /** Whether a peer of another user, root not among them, may come under a name; whoever may connect by default. */
  readonly isNameOf?: (name: string, peer: PeerCredentials) => boolean;
}

/** Another process of this name is alive and linked already. */
export class NameInUseError extends UnavailableError {
  override readonly code = "name-in-use";
}

/** One link, for people and statistics. */
export interface LinkReport {
  readonly peer: string;
  readonly initiated: boolean;
  readonly uid: number | undefined;
  readonly pid: number | undefined;
  /** The peer's listeners and observers in this process. */
  readonly guests: number;
  /** Requests that wait for the peer's answer. */
  readonly pending: number;
  /** Bytes that the peer has not taken. */
  readonly waitingBytes: number;
  readonly framesSent: number;
  readonly framesReceived: number;
  /** Observers' copies that the peer was too slow for. */
  readonly copiesDropped: number;
  readonly overflows: number;
  readonly malformed: number;
  readonly late: number;
  /** Requests that the peer had no right to. */
  readonly denied: number;
}

/** What went wrong on all links since the process began, those that have ended included. */
export interface LinkTotals {
  /** Links now. */
  readonly links: number;
  /** Connections that ended because they did not keep the rules. */
  readonly violations: number;
  /** Connections refused for want of room. */
  readonly refused: number;
  readonly malformed: number;
  readonly overflows: number;
  readonly copiesDropped: number;
  readonly late: number;
  readonly denied: number;
  /** Posted messages lost because their process could not be reached. */
  readonly postsLost: number;
}

/** What each link counts and {@link LinkTotals} sums up. */
type SummedCounter = "violations" | "malformed" | "late" | "denied" | "overflows" | "copiesDropped";

/** The superuser. */
const ROOT = 0;

/** Bytes of the number that tells one start of a process from the next. */
const INSTANCE_BYTES = 6;

export class Links implements Router, LinkHost, PeerHost {
  readonly bus: Bus;
  readonly instance: string;
  readonly rights: Rights;
  /** What has been counted on links that have ended, and outside of them. */
  readonly #ended: Record<SummedCounter, number> & { refused: number; postsLost: number } = {
    violations: 0,
    malformed: 0,
    late: 0,
    denied: 0,
    overflows: 0,
    copiesDropped: 0,
    refused: 0,
    postsLost: 0,
  };
  readonly #options: LinksOptions;
  readonly #peers: Map<string, Peer> = new Map();
  readonly #links: Set<Link> = new Set();
  readonly #away: Set<Timer> = new Set();
  #orderCount = 0;
  #listener: StreamListener | undefined;
  #watch: DirectoryWatch | undefined;
  #closed = false;

  constructor(bus: Bus, options: LinksOptions) {
    this.bus = bus;
    this.#options = options;
    this.rights = new Rights(options.rights);
    this.instance = formatHex(options.random.bytes(INSTANCE_BYTES));
  }

  /** Starts to listen under the process's name. @throws AddressInUseError, PathTooLongError, UnavailableError */
  async listen(): Promise<void> {
    const { transport, runDirectory, socket, watcher } = this.#options;
    const address = { kind: "unix", path: `${runDirectory}/${this.bus.name}` } as const;
    try {
      this.#listener = await transport.listen(address, (stream) => this.#accept(stream), socket);
    } catch (error) {
      if (this.#options.mustListen !== false || !(error instanceof NoAccessError)) throw error;
    }
    this.#watch = watcher.watch(runDirectory, () => this.#lookAround());
  }

  /** Every link, greeted or not. */
  describe(): readonly LinkReport[] {
    return [...this.#links].map((link) => ({
      peer: link.name,
      initiated: link.initiated,
      uid: link.peer?.uid,
      pid: link.peer?.pid,
      guests: link.guests.count,
      pending: link.asking.pendingCount,
      waitingBytes: link.waitingBytes,
      framesSent: link.outbox.counters.frames,
      framesReceived: link.counters.framesReceived,
      copiesDropped: link.outbox.counters.dropped,
      overflows: link.outbox.counters.overflows,
      malformed: link.counters.malformed,
      late: link.counters.late,
      denied: link.counters.denied,
    }));
  }

  /** The sums over all links there have been. */
  totals(): LinkTotals {
    const sum: LinkTotals & Record<SummedCounter, number> = { links: this.#links.size, ...this.#ended };
    for (const link of this.#links) addCounters(sum, link);
    return sum;
  }

  /** Says goodbye to everybody; what is under way gets a second to end. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch?.close();
    for (const peer of this.#peers.values()) peer.close();
    await this.#listener?.close();
    await Promise.all([...this.#links].map((link) => link.leave()));
    for (const timer of this.#away) timer.cancel();
    this.#away.clear();
  }

  async send(to: MailboxAddress, message: Message, cause: CauseRecord): Promise<undefined> {
    await this.#peerOf(to).send(to.path, message, cause, cause.budget ?? this.bus.budget);
  }

  call(to: MailboxAddress, message: Message, cause: CauseRecord, timeout: Duration): Promise<Message> {
    const left = cause.budget === undefined ? timeout : (Math.min(timeout, cause.budget) as Duration);
    return this.#peerOf(to).call(to.path, message, cause, left);
  }

  post(to: MailboxAddress, message: Message, cause: CauseRecord): void {
    this.#peerOf(to).post(to.path, message, cause);
  }

  attach(to: MailboxAddress, { label, listen, place, options }: RemoteListener): Promise<Attachment> {
    return this.#order(to, { label, observes: false, place, options }, listen);
  }

  observe(to: MailboxAddress, { label, observe, options }: RemoteObserver): Promise<Attachment> {
    return this.#order(to, { label, observes: true, place: "append", options }, observe);
  }

  /** {@link PeerHost}. */
  postLost(): void {
    this.#ended.postsLost++;
  }

  /** {@link PeerHost}. */
  async connect(name: string): Promise<Link> {
    if (this.#closed) throw new PeerGoneError(`Cannot reach ${name}: this process is leaving the bus`);
    const path = `${this.#options.runDirectory}/${name}`;
    const stream = await this.#options.transport.connect({ kind: "unix", path });
    const link = this.#add(stream, true);
    await link.ready;
    if (link.name === name) return link;
    link.close(`it was taken for ${name}`);
    throw new PeerGoneError(
      `Cannot reach ${name}: at its socket is a process that calls itself ${link.name}`,
    );
  }

  /** {@link LinkHost}: two processes of one name cannot both be on the bus. */
  greeted(link: Link): void {
    if (link.name === this.bus.name) {
      throw new NameInUseError(`Cannot greet '${link.name}': this process has the same name`);
    }
    const { isNameOf, rights } = this.#options;
    const isStranger = link.peer !== undefined && link.peer.uid !== rights.uid && link.peer.uid !== ROOT;
    if (isStranger && isNameOf?.(link.name, link.peer) === false) {
      throw new DeniedError(
        `Cannot greet '${link.name}': the name is another user's; join under another one`,
      );
    }
    const other = this.#peers.get(link.name)?.links.find((there) => there.instance !== link.instance);
    if (other) {
      throw new NameInUseError(`Cannot greet '${link.name}': another process of this name is linked`);
    }
  }

  /** {@link LinkHost}. */
  opened(link: Link): void {
    this.#peer(link.name).add(link);
  }

  /** {@link LinkHost}. */
  leaving(link: Link): void {
    this.#peer(link.name).remove(link);
  }

  /** {@link LinkHost}: messages parked at the peer's listeners go on; the slots are kept for its return. */
  closed(link: Link): void {
    this.#retire(link);
    const peer = this.#peer(link.name);
    peer.remove(link);
    link.guests.detachObservers();
    if (peer.links.length === 0 && link.guests.count > 0) {
      this.bus.table.setAway(link.name, true);
      this.#forgetLater(link);
    }
    if (peer.isForgettable) this.#peers.delete(link.name);
  }

  #accept(stream: Stream): void {
    if (this.#links.size < LINK_COUNT_MAX) {
      this.#add(stream, false);
      return;
    }
    this.#ended.refused++;
    stream.close();
  }

  #add(stream: Stream, initiated: boolean): Link {
    const link = new Link(this, stream, initiated);
    this.#links.add(link);
    // One that was never greeted is told to nobody when it ends.
    link.ready.catch(() => {
      this.#retire(link);
    });
    return link;
  }

  #retire(link: Link): void {
    if (this.#links.delete(link)) addCounters(this.#ended, link);
  }

  #forgetLater(link: Link): void {
    const timer = this.bus.steady.after(AWAY_KEPT, () => {
      this.#away.delete(timer);
      link.guests.detachAway();
    });
    this.#away.add(timer);
  }

  /** Processes that were waited for may have appeared. */
  #lookAround(): void {
    const { watcher, runDirectory } = this.#options;
    for (const name of watcher.list(runDirectory)) this.#peers.get(name)?.appeared();
  }

  async #order(to: MailboxAddress, request: Order["request"], listen: Listener): Promise<Attachment> {
    if (this.#orderCount >= ORDER_COUNT_MAX) {
      throw new LimitExceededError(
        `Cannot attach to ${formatAddress(to)}: this process has ${ORDER_COUNT_MAX} listeners elsewhere`,
      );
    }
    const peer = this.#peerOf(to);
    const asked = { identity: { process: this.bus.name, label: request.label }, listen };
    const order = new Order(formatAddress(to), peer.name, to.path, request, asked, () => {
      this.#orderCount--;
      peer.forgetOrder(order);
    });
    this.#orderCount++;
    await peer.order(order);
    return order;
  }

  /** @throws PeerGoneError for another machine, to which no link leads yet. */
  #peerOf(to: MailboxAddress): Peer {
    if (to.machine !== undefined || to.process === undefined) {
      throw new PeerGoneError(
        `Cannot reach ${formatAddress(to)}: there is no link to machine '${to.machine}'`,
      );
    }
    return this.#peer(to.process);
  }

  #peer(name: string): Peer {
    let peer = this.#peers.get(name);
    if (!peer) {
      // Names that came to nothing are forgotten before they fill the memory.
      if (this.#peers.size >= LINK_COUNT_MAX) this.#forgetIdle();
      peer = new Peer(name, this);
      this.#peers.set(name, peer);
    }
    return peer;
  }

  #forgetIdle(): void {
    for (const [name, peer] of this.#peers) if (peer.isForgettable) this.#peers.delete(name);
  }
}

function addCounters(sum: Record<SummedCounter, number>, { counters, outbox }: Link): void {
  sum.violations += counters.violations;
  sum.malformed += counters.malformed;
  sum.late += counters.late;
  sum.denied += counters.denied;
  sum.overflows += outbox.counters.overflows;
  sum.copiesDropped += outbox.counters.dropped;
}
