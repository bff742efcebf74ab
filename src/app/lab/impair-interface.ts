/**
 * Impairs one interface of the network namespace the thread is in: the rules that bring its packets, the queues that
 * hold them, the model, and their end. Dead or stopped, traffic goes on as if nothing had been there.
 * @module
 */
import { ConfigurationError, type MetanetError } from "#base/errors.ts";
import { COPY_RANGE_BYTES_MAX, type PacketBatch, PacketVerdict } from "#io/packet-queue.ts";
import {
  type QueueFamily,
  type QueueHook,
  type QueueRule,
  type QueueRules,
  RULE_INDEX_MAX,
  RulesUnsupportedError,
} from "#io/queue-rules.ts";
import { ClaimedError } from "#io/rule-set.ts";
import { Alarm } from "#linux/alarm.ts";
import { native } from "#linux/native.ts";
import { LinuxPacketQueue } from "#linux/packet-queue.ts";
import { releaseAll } from "#linux/packet-queue-descriptor.ts";
import { LinuxPacketSender } from "#linux/packet-sender.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import { IMPAIRMENT_LIMIT, Impairment } from "#script/impairment.ts";
import type { ImpairmentOptions } from "#script/impairment-options.ts";
import type { QueueDescription } from "../script/isolate-messages.ts";
import { QueueNumbers } from "../script/queue-numbers.ts";
import { comesFromSocket, frameCopies, routedCopies } from "./impair-copies.ts";
import { ImpairedDirection } from "./impair-direction.ts";
import type { LinkEnd } from "./impair-link.ts";

/** Bits of a packet's mark, beside those of packet scripts, so that what scripts send is impaired as well. */
const MARKS = { done: 0x1000_0000, sent: 0x0800_0000 } as const;
/** Below the numbers of packet scripts. */
const QUEUE_NUMBER_FIRST = 0x6900;
/** What may wait unread in front of what is held: a burst of some milliseconds. */
const UNREAD_COUNT_MAX = 8192;
/** Copies that are due but have not left yet, beside what the link holds. */
const LATE_COUNT_MAX = 1024;
/** Of a packet that is neither changed nor sent as a copy, the length alone is wanted. */
const HEAD_BYTES = 64;

export interface ImpairOptions {
  readonly link: LinkEnd;
  readonly impairment: ImpairmentOptions;
  /** Also what comes in by it, with draws of its own. */
  readonly both: boolean;
  /** Which packets, in nft's language; the others are not touched. */
  readonly match?: string;
  readonly onTrouble?: (error: MetanetError) => void;
}

/** An impaired interface. */
export interface ImpairedInterface {
  /** What leaves, and what comes in when that was asked for. */
  readonly directions: readonly DirectionState[];
  /** Lets go of what waits, and removes the rules; harmless twice. */
  stop(): Promise<void>;
}

export interface DirectionState {
  readonly way: Way;
  readonly direction: ImpairedDirection;
  /** Packets that the kernel dropped, as its queue was full. */
  kernelDroppedCount(): number;
}

export type Way = "out" | "in";

interface Opened extends DirectionState {
  readonly queue: LinuxPacketQueue;
  readonly description: QueueDescription;
  readonly rule: QueueRule;
}

/**
 * Starts impairing; resolves when packets go through it.
 * @throws ConfigurationError when another process impairs it already or this cannot be had here,
 * RulesUnsupportedError on a bridge's port without kernel support, and what opening queues and sockets throws
 */
export async function impairInterface(options: ImpairOptions): Promise<ImpairedInterface> {
  checkWays(options);
  const { link } = options;
  const rules = new LinuxQueueRules({ table: tableOf(link.name), marks: MARKS });
  const sender = new LinuxPacketSender();
  const opened: Opened[] = [];
  const numbers = new QueueNumbers(QUEUE_NUMBER_FIRST);
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= stopAll(rules, opened).finally(() => {
      rules.close();
      sender.close();
    });
    return stopping;
  };
  try {
    for (const way of options.both ? (["out", "in"] as const) : (["out"] as const)) {
      const one = openWay(options, way, numbers, sender);
      opened.push(one);
      await rules.load(one.rule);
    }
  } catch (error) {
    await stop();
    throw explain(error, link);
  }
  return { directions: opened, stop };
}

/**
 * Removes what a killed process left at an interface.
 * @throws ConfigurationError while another one impairs it
 */
export async function clearInterface(name: string): Promise<void> {
  const rules = new LinuxQueueRules({ table: tableOf(name), marks: MARKS });
  try {
    await rules.removeAll();
  } catch (error) {
    throw explain(error, { name, bridge: undefined });
  } finally {
    rules.close();
  }
}

/** A name for each interface, whatever characters that has. */
export function tableOf(name: string): string {
  const plain = name.replaceAll(/[^a-zA-Z0-9-]/g, (character) => `_${character.charCodeAt(0).toString(16)}`);
  return `metanet-impair-${plain}`;
}

/** What cannot be had. @throws ConfigurationError */
function checkWays({ link, both, impairment }: ImpairOptions): void {
  const duplicates = (impairment.duplicate ?? 0) > 0;
  const refuse = (seen: string): never => {
    throw new ConfigurationError(`Cannot impair ${link.name}: ${seen}`);
  };
  if (both && link.name === "lo") refuse("what leaves by it comes in by it again; leave --both out");
  if (!link.bridge || !duplicates) return;
  if (both) refuse("what comes in by a bridge's port cannot be duplicated; leave --both or --duplicate out");
  if (link.bridge.callsIp) {
    refuse("its bridge hands packets over without their Ethernet header; leave --duplicate out");
  }
}

function openWay(options: ImpairOptions, way: Way, numbers: QueueNumbers, sender: LinuxPacketSender): Opened {
  const { link, impairment, onTrouble } = options;
  const { seed, limit = IMPAIRMENT_LIMIT } = impairment;
  const heldCountMax = limit + LATE_COUNT_MAX;
  const settings = {
    copyRangeBytes: copyRange(impairment, way, link.mtuBytes),
    queueLengthMax: heldCountMax + UNREAD_COUNT_MAX,
  };
  const [description] = numbers.open(1, settings, heldCountMax);
  if (description === undefined) throw new TypeError("a queue was opened and is not there");
  const { descriptor } = description;
  const queue = new LinuxPacketQueue({ ...description.options, descriptor, heldCountMax });
  if (onTrouble) queue.onTrouble(onTrouble);
  const direction = new ImpairedDirection({
    // The other direction is another piece of wire, with other luck.
    model: new Impairment({ ...impairment, seed: way === "out" ? seed : seed + 1 }),
    queue,
    makeAlarm: (onRing) => new Alarm(onRing),
    countMax: heldCountMax,
    headerBytes: link.headerBytes,
    ...(link.bridge?.callsIp && { isOfLink: portCheck(way, link.index) }),
    ...(!link.bridge?.callsIp && { copy: copiesOf(link, way, sender) }),
    ...(way === "out" && { waitsAsCopy: comesFromSocket(link.mtuBytes) }),
  });
  const rule = ruleOf(options, way, description.options.queueNumber);
  const kernelDroppedCount = (): number => {
    const { queueDroppedCount, userDroppedCount } = queue.statistics();
    return queueDroppedCount + userDroppedCount;
  };
  return { way, direction, kernelDroppedCount, queue, description, rule };
}

function copyRange(
  { duplicate, corrupt, delay, jitter, rate }: ImpairmentOptions,
  way: Way,
  mtuBytes: number,
): number {
  if (duplicate || corrupt) return COPY_RANGE_BYTES_MAX;
  const waits = (delay || jitter || rate) && way === "out";
  return waits ? Math.min(mtuBytes, COPY_RANGE_BYTES_MAX) : HEAD_BYTES;
}

function copiesOf(link: LinkEnd, way: Way, sender: LinuxPacketSender) {
  if (link.bridge) return frameCopies(sender, link.index);
  // What came in is routed on, or to this machine itself, without coming in by the link again.
  if (way === "in") return routedCopies({ sender, sentMark: 0 });
  return routedCopies({ sender, sentMark: MARKS.sent, outInterface: link.index });
}

function portCheck(way: Way, index: number): (batch: PacketBatch, row: number) => boolean {
  return way === "out"
    ? (batch, row) => batch.physicalOutInterface[row] === index
    : (batch, row) => batch.physicalInInterface[row] === index;
}

function ruleOf({ link, match }: ImpairOptions, way: Way, queueNumber: number): QueueRule {
  const { bridge, name } = link;
  // A bridge that calls the IP hooks gives its own name there.
  const [family, device]: [QueueFamily, string] =
    bridge === undefined ? ["inet", name] : bridge.callsIp ? ["inet", bridge.name] : ["bridge", name];
  const isBridge = bridge !== undefined;
  const [out, into]: [QueueHook, QueueHook] = ["postrouting", "prerouting"];
  const place =
    way === "out"
      ? { hook: out, outInterface: device, index: RULE_INDEX_MAX }
      : { hook: into, inInterface: device, index: 0 };
  // Frames without IP have no place in a queue that only knows IP; those of a bridge are told apart here.
  const only = isBridge && !bridge.callsIp ? "meta protocol { ip, ip6 }" : undefined;
  const matches = [only, match].filter((part) => part !== undefined);
  return {
    name: way,
    family,
    ...place,
    queueNumber,
    bypass: true,
    ...(matches.length > 0 && { match: matches.join(" ") }),
  };
}

/** First no packet comes any more, then all that wait go on, and only then the rules go: that drops what waits. */
async function stopAll(rules: QueueRules, opened: readonly Opened[]): Promise<void> {
  try {
    for (const { rule } of opened) await rules.detach(rule.name);
  } finally {
    for (const { queue, direction, description } of opened) {
      direction.close();
      queue.close(PacketVerdict.accept);
      releaseAll(description.descriptor, queue.queueNumber, PacketVerdict.accept);
    }
    for (const { rule } of opened) await rules.unload(rule.name);
    for (const { description } of opened) native().close(description.descriptor);
  }
}

function explain(error: unknown, link: Pick<LinkEnd, "name" | "bridge">): unknown {
  if (error instanceof ClaimedError) {
    return new ConfigurationError(
      `Cannot impair ${link.name}: another process impairs it already; stop that one first`,
      { cause: error },
    );
  }
  if (error instanceof RulesUnsupportedError && link.bridge) {
    const fix = `\`ip link set ${link.bridge.name} type bridge nf_call_iptables 1 nf_call_ip6tables 1\``;
    return new RulesUnsupportedError(
      `Cannot impair ${link.name}: it is a port of ${link.bridge.name}, and this kernel cannot queue what crosses a ` +
        `bridge. Take the link's other end, or let the bridge call the IP hooks: ${fix}`,
      { cause: error },
    );
  }
  return error;
}
