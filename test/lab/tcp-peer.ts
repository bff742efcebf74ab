/**
 * A TCP client made by hand at the far end of a TUN device that can send anything, a server of the running kernel that
 * reads, and all packets of both: what one connection was, for whoever wants to judge it.
 * @module
 */
import { createServer, type Server, type Socket } from "node:net";
import type { CapturedBatch } from "#io/captured-packet.ts";
import { LinuxTun } from "#linux/tun.ts";
import { build } from "#packet/build.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { LinkType } from "#packet/link-type.ts";
import { Packet } from "#packet/packet.ts";
import { tcp } from "#packet/tcp.ts";
import { ConversationPacket } from "../support/conversation-packet.ts";
import { tcpOptionBytes } from "../support/conversation-tcp.ts";
import { enterOwnNamespace } from "./own-namespace.ts";
import { run } from "./packet-queue-net.ts";

const HERE = "10.94.0.1";
const THERE = "10.94.0.2";
const PORT = 4445;
const IPV4 = 0x0800;
/** The kernel is asked by programs that share two cores with others. */
const PATIENCE_MS = 20_000;
/** How long an answer is waited for before the question is asked again. */
const RETRY_MS = 300;
/** What the client sends last, in order: the program reads it if the connection is alive. */
export const LAST_WORD = "|END";

/** One segment of the client. */
export interface CraftedSegment {
  /** Where in the stream it lies: 0 is the byte behind the SYN. */
  readonly at: number;
  readonly text?: string;
  /** Letters out of F S R P A U; `A` unless given. */
  readonly flags?: string;
  /** Added to the right acknowledgement number. */
  readonly acknowledgedMore?: number;
  readonly urgent?: number;
  /** TSval; the right one unless given, where timestamps were agreed. `false`: none. */
  readonly timestamp?: number | false;
}

/** What became of a connection. */
export interface KernelAnswer {
  /** What the program has read, without {@link LAST_WORD}. */
  readonly text: string;
  readonly isAlive: boolean;
  readonly hasEnded: boolean;
  /** Both directions, in the order in which this side saw them. */
  readonly packets: readonly ConversationPacket[];
}

/** One connection while it lasts. */
class Exchange {
  readonly packets: ConversationPacket[] = [];
  serverSequence = -1;
  /** What the kernel has acknowledged last. */
  acknowledged = 0;
  isReset = false;
  text = "";
  hasEnded = false;
  isClosed = false;
}

export class TcpPeer {
  readonly #tun: LinuxTun;
  readonly #server: Server;
  #exchange = new Exchange();
  #port = 30_000;
  #time = 1_700_000_000_000;

  private constructor(tun: LinuxTun, server: Server) {
    this.#tun = tun;
    this.#server = server;
    server.on("connection", (socket) => this.#accept(socket));
    tun.start((batch) => this.#onBatch(batch));
  }

  /** Moves the process into a namespace of its own, with nothing but this device and `lo`. */
  static async open(): Promise<TcpPeer> {
    enterOwnNamespace();
    run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    // Each question is answered, however soon it follows another.
    run("sysctl -qw net.ipv4.tcp_invalid_ratelimit=0");
    const tun = new LinuxTun({ mode: "tun" });
    run(`ip address add ${HERE}/24 dev ${tun.name}`);
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => void server.listen(PORT, HERE, resolve));
    return new TcpPeer(tun, server);
  }

  /** Opens a connection, sends the segments in their order, and says what became of it. */
  async converse(
    segments: readonly CraftedSegment[],
    initialSequence: number,
    hasTimestamps: boolean,
  ): Promise<KernelAnswer> {
    const exchange = new Exchange();
    this.#exchange = exchange;
    const sourcePort = this.#port++;
    const send = (segment: CraftedSegment): void => {
      this.#send(exchange, sourcePort, initialSequence, hasTimestamps, segment);
    };
    send({ at: -1, flags: "S" });
    await until(() => exchange.serverSequence >= 0, "a SYN/ACK");
    send({ at: 0 });
    for (const segment of segments) {
      send(segment);
      await turn();
    }
    const offset = (): number => (exchange.acknowledged - initialSequence - 1) | 0;
    let lastAt = -1;
    await until(
      () => exchange.isReset || exchange.hasEnded || (lastAt >= 0 && offset() >= lastAt + LAST_WORD.length),
      "the last word to arrive",
      async () => {
        // An old segment is answered with the number that is expected, or by a reset.
        send({ at: -1 });
        await turn();
        if (exchange.isReset || exchange.hasEnded) return;
        lastAt = lastAt < 0 ? offset() : lastAt;
        send({ at: lastAt, text: LAST_WORD, flags: "PA" });
      },
    );
    await until(
      () => exchange.isClosed || exchange.hasEnded || exchange.text.endsWith(LAST_WORD),
      "the program to read",
    );
    send({ at: offset(), flags: "R" });
    await until(
      () => exchange.isClosed,
      "the socket to close",
      () => Promise.resolve(this.#socket?.destroy()),
    );
    const isAlive = exchange.text.endsWith(LAST_WORD);
    return {
      text: isAlive ? exchange.text.slice(0, -LAST_WORD.length) : exchange.text,
      isAlive,
      hasEnded: exchange.hasEnded,
      packets: exchange.packets.slice(0, -1),
    };
  }

  close(): void {
    this.#server.close();
    this.#tun.close();
  }

  #socket: Socket | undefined;

  #accept(socket: Socket): void {
    const exchange = this.#exchange;
    this.#socket = socket;
    socket.on("data", (bytes) => {
      exchange.text += bytes.toString("latin1");
    });
    socket.on("end", () => {
      exchange.hasEnded = true;
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      exchange.isClosed = true;
    });
  }

  #send(
    exchange: Exchange,
    sourcePort: number,
    initialSequence: number,
    hasTimestamps: boolean,
    segment: CraftedSegment,
  ): void {
    const { at, text = "", flags = "A", urgent, acknowledgedMore = 0 } = segment;
    const value = segment.timestamp ?? (hasTimestamps ? 1_000_000 + exchange.packets.length : false);
    const has = (letter: string): boolean => flags.includes(letter);
    const header = tcp.header(
      {
        sourcePort,
        destinationPort: PORT,
        sequence: (initialSequence + 1 + at) >>> 0,
        acknowledgment: has("A") ? (exchange.serverSequence + 1 + acknowledgedMore) >>> 0 : 0,
        syn: has("S"),
        fin: has("F"),
        rst: has("R"),
        psh: has("P"),
        ack: has("A"),
        urg: urgent !== undefined,
        urgentPointer: urgent ?? 0,
        window: 65_535,
      },
      tcpOptionBytes({
        agreed: undefined,
        timestamp: value === false ? undefined : [value, 0],
        sack: undefined,
      }),
    );
    const bytes = build(
      ipv4.header({ source: THERE, destination: HERE }),
      header,
      Buffer.from(text),
    ).toBytes();
    this.#keep(exchange, bytes);
    this.#tun.write(bytes);
  }

  #keep(exchange: Exchange, bytes: Uint8Array): void {
    exchange.packets.push(new ConversationPacket(this.#time++, LinkType.raw, bytes));
  }

  #onBatch(batch: CapturedBatch): void {
    const exchange = this.#exchange;
    const packet = new Packet();
    while (batch.next()) {
      const { bytes, offset, capturedBytes } = batch.packet;
      packet.aim(new DataView(bytes.buffer, bytes.byteOffset), offset, capturedBytes, IPV4);
      const header = packet.payload(ipv4)?.payload(tcp);
      if (header === undefined || header.destinationPort !== this.#port - 1) continue;
      this.#keep(exchange, bytes.slice(offset, offset + capturedBytes));
      if (header.syn) exchange.serverSequence = header.sequence;
      if (header.rst) exchange.isReset = true;
      else if (header.ack) exchange.acknowledged = header.acknowledgment;
    }
  }
}

/** Lets the loop see what has come. */
async function turn(): Promise<void> {
  for (let count = 0; count < 3; count++) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits for something; `again` is done at first and whenever it has not come for a while. */
async function until(
  isDone: () => boolean,
  what: string,
  again: () => Promise<unknown> = () => Promise.resolve(),
): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!isDone()) {
    if (performance.now() > end) throw new Error(`waited for ${what} in vain`);
    await again();
    const retry = performance.now() + RETRY_MS;
    while (!isDone() && performance.now() < retry) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
