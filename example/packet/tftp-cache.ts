/**
 * A TFTP cache on the router between clients and servers (RFC 1350, options of RFC 2347 to 2349 and 7440). Files are
 * learnt while they pass; the next one who asks the same is answered from here, in the server's name.
 * @module
 */
import {
  type BuiltPacket,
  build,
  type Context,
  type Deferred,
  drop,
  type Ipv4View,
  type Ipv6View,
  ipv4,
  ipv6,
  minutes,
  type Packet,
  type Part,
  part,
  type ScriptOptions,
  seconds,
  TftpOpcode,
  tftp,
  udp,
  type Verdict,
  type ViewOf,
  verdict,
} from "metanet/script";

/** Nothing is rewritten, so aggregates may come whole. */
export const options: ScriptOptions = { writes: false, connection: false };

const CACHE_BYTES_MAX = 256 << 20;
const FILE_BYTES_MAX = 64 << 20;
const KEPT = minutes(10);
/** Transfers that are learnt, and that are served, at once; with one more the oldest is given up. */
const TRANSFER_COUNT_MAX = 256;
const BLOCK_BYTES_DEFAULT = 512;
const RESEND_AFTER = seconds(1);
const RESEND_COUNT_MAX = 5;
/** What a block costs besides its bytes. */
const BLOCK_OVERHEAD_BYTES = 200;

/** What the server answers to one request: its options and the file's blocks, ready to be sent. */
interface File {
  readonly options: Part | undefined;
  readonly blockBytes: number;
  readonly windowSize: number;
  /** Block 1 comes first. */
  readonly blocks: Part[];
  /** The number behind 65,535; servers differ. */
  afterLast: 0 | 1;
  bytes: number;
  expires: Context["now"];
}

/** A transfer that passes. */
interface Learning {
  readonly key: string;
  file: File | undefined;
}

type Message = ViewOf<typeof tftp>;
type Ip = Ipv4View | Ipv6View;

/** By request; the file that was asked for longest ago comes first. */
const files = new Map<string, File>();
/** Bytes of all files, those that are being learnt too. */
let allBytes = 0;
/** By the client's and the server's addresses and the client's port: its transfer has no other. */
const learning = new Map<string, Learning>();
const serving = new Map<string, Serving>();

/** Load it for what goes to the servers. */
export function requests(packet: Packet, context: Context): Verdict {
  const ip = packet.find(ipv4) ?? packet.find(ipv6);
  const datagram = ip?.payload(udp);
  const message = datagram?.as(tftp);
  if (ip === undefined || datagram === undefined || message === undefined) return verdict.continue;
  const client = `${pair(ip, "source")}${datagram.sourcePort}`;
  const served = serving.get(client);
  if (datagram.destinationPort !== 69) {
    if (served?.port !== datagram.destinationPort) return verdict.continue;
    served.receive(message, context);
    return drop;
  }
  const { filename, mode } = message;
  const place = `${ip.text(...addresses(ip, "destination"))} ${filename}`;
  if (message.opcode === TftpOpcode.writeRequest) forget(place);
  if (message.opcode !== TftpOpcode.readRequest || filename === undefined || mode === undefined)
    return verdict.continue;
  const key = `${place}\0${mode.toLowerCase()}\0${[...message.options()].join("\0")}`;
  const file = files.get(key);
  if (file === undefined || file.expires <= context.now) {
    if (file !== undefined) remove(key, file);
    abandon(client);
    for (const oldest of learning.keys()) if (learning.size >= TRANSFER_COUNT_MAX) abandon(oldest);
    learning.set(client, { key, file: undefined });
    return verdict.continue;
  }
  if (served?.file === file && served.isBeginning) {
    served.resend(context);
    return drop;
  }
  // Asked for last.
  files.delete(key);
  files.set(key, file);
  served?.end();
  for (const oldest of serving.values()) if (serving.size >= TRANSFER_COUNT_MAX) oldest.end();
  serving.set(client, new Serving(client, file, answering(ip, datagram), context));
  context.counter("hits").add();
  return drop;
}

/** Load it for what comes from the servers. */
export function answers(packet: Packet, context: Context): Verdict {
  const ip = packet.find(ipv4) ?? packet.find(ipv6);
  const datagram = ip?.payload(udp);
  const message = datagram?.as(tftp);
  if (ip === undefined || datagram === undefined || message === undefined) return verdict.continue;
  const client = `${pair(ip, "destination")}${datagram.destinationPort}`;
  const transfer = learning.get(client);
  if (transfer === undefined) return verdict.continue;
  if (!learn(transfer, message)) abandon(client);
  const { file, key } = transfer;
  const last = file?.blocks.at(-1);
  if (!learning.has(client) || last === undefined || last.bytes.length - 4 === file?.blockBytes)
    return verdict.continue;
  // A block that is not full is the last one.
  if (file !== undefined) keep(key, file, context);
  learning.delete(client);
  return verdict.continue;
}

/** Takes what the server says; `false` when this is no transfer to be kept. */
function learn(transfer: Learning, message: Message): boolean {
  if (message.opcode === TftpOpcode.optionAcknowledgment) {
    transfer.file ??= newFile(message);
    return true;
  }
  if (message.opcode !== TftpOpcode.data) return false;
  transfer.file ??= newFile(undefined);
  const { file } = transfer;
  const next = file.blocks.length + 1;
  // The first block behind 65,535 tells how this server counts on.
  if (next === 65_536 && message.block === 1) file.afterLast = 1;
  // Once more, or before its turn: the server will send it again.
  if (message.block !== numberOf(file, next)) return true;
  file.blocks.push(part(message.copy()));
  file.bytes += message.lengthBytes + BLOCK_OVERHEAD_BYTES;
  allBytes += message.lengthBytes + BLOCK_OVERHEAD_BYTES;
  for (const [key, oldest] of files) if (allBytes > CACHE_BYTES_MAX) remove(key, oldest);
  return file.bytes <= FILE_BYTES_MAX && allBytes <= CACHE_BYTES_MAX;
}

function newFile(options: Message | undefined): File {
  return {
    options: options === undefined ? undefined : part(options.copy()),
    blockBytes: Number(options?.option("blksize")) || BLOCK_BYTES_DEFAULT,
    windowSize: Number(options?.option("windowsize")) || 1,
    blocks: [],
    afterLast: 0,
    bytes: 0,
    expires: 0 as Context["now"],
  };
}

/** The 16 bits that stand for a block, which is counted from 1. */
function numberOf({ afterLast }: File, block: number): number {
  return block <= 65_535 ? block : afterLast + ((block - 65_536) % (65_536 - afterLast));
}

/** One client being served: what a server does after a request, without the server. */
class Serving {
  readonly file: File;
  /** The port that the server is made to have for this transfer. */
  readonly port: number;
  readonly #client: string;
  readonly #answer: (port: number, message: Part) => BuiltPacket;
  /** Blocks that are acknowledged; -1 while the options are not. */
  #acknowledged: number;
  #resendCount = 0;
  #timer: Deferred | undefined;

  constructor(
    client: string,
    file: File,
    answer: (port: number, message: Part) => BuiltPacket,
    context: Context,
  ) {
    this.#client = client;
    this.file = file;
    this.#answer = answer;
    this.port = 49_152 + context.randomInteger(16_384);
    this.#acknowledged = file.options === undefined ? 0 : -1;
    this.#send(context);
  }

  /** Whether the client has not said anything yet but what it wants. */
  get isBeginning(): boolean {
    return this.#acknowledged === (this.file.options === undefined ? 0 : -1);
  }

  /** Takes what the client says. */
  receive(message: Message, context: Context): void {
    if (message.opcode === TftpOpcode.error) this.end();
    if (message.opcode !== TftpOpcode.acknowledgment) return;
    const { file } = this;
    const first = this.#acknowledged + 1;
    for (let block = first; block < first + file.windowSize; block++) {
      const number = block === 0 ? 0 : numberOf(file, block);
      if (number !== message.block || block > file.blocks.length) continue;
      this.#acknowledged = block;
      this.#resendCount = 0;
      if (block === file.blocks.length) this.end();
      else this.#send(context);
      return;
    }
    // An acknowledgment that was there before is not answered: each answer would bring another (RFC 1123 §4.2.3.1).
  }

  /** Sends once more what is not acknowledged; gives up after some times. */
  resend(context: Context): void {
    if (++this.#resendCount > RESEND_COUNT_MAX) this.end();
    else this.#send(context);
  }

  end(): void {
    this.#timer?.cancel();
    serving.delete(this.#client);
  }

  #send(context: Context): void {
    const { options, blocks, windowSize } = this.file;
    this.#timer?.cancel();
    this.#timer = context.defer((later) => this.resend(later), { delay: RESEND_AFTER });
    if (this.#acknowledged < 0 && options !== undefined) {
      context.send(this.#answer(this.port, options));
      return;
    }
    for (const block of blocks.slice(this.#acknowledged, this.#acknowledged + windowSize)) {
      context.send(this.#answer(this.port, block));
    }
  }
}

/** Makes packets that go back to where a packet came from, from another port. */
function answering(ip: Ip, { sourcePort }: ViewOf<typeof udp>): (port: number, message: Part) => BuiltPacket {
  const header = ip.is(ipv4)
    ? ipv4.header({ source: ip.destination, destination: ip.source })
    : ipv6.header({ source: (ip as Ipv6View).destination, destination: (ip as Ipv6View).source });
  return (port, message) =>
    build(header, udp.header({ sourcePort: port, destinationPort: sourcePort }), message);
}

/** Where an address stands in its header. */
function addresses({ version }: Ip, which: "source" | "destination"): [number, number] {
  const isSource = which === "source";
  return version === 4 ? [isSource ? 12 : 16, 4] : [isSource ? 8 : 24, 16];
}

/** Both addresses, the client's first. */
function pair(ip: Ip, client: "source" | "destination"): string {
  const server = client === "source" ? "destination" : "source";
  return ip.text(...addresses(ip, client)) + ip.text(...addresses(ip, server));
}

/** Somebody writes the file. */
function forget(place: string): void {
  for (const [key, file] of files) if (key.startsWith(`${place}\0`)) remove(key, file);
}

function keep(key: string, file: File, context: Context): void {
  const before = files.get(key);
  if (before !== undefined) remove(key, before);
  file.expires = (context.now + KEPT) as typeof context.now;
  files.set(key, file);
  context.counter("learnt").add();
}

function remove(key: string, file: File): void {
  files.delete(key);
  allBytes -= file.bytes;
}

/** A transfer is not learnt any more. */
function abandon(client: string): void {
  allBytes -= learning.get(client)?.file?.bytes ?? 0;
  learning.delete(client);
}
