/**
 * A TCP client made by hand at the far end of a TUN device: what it sends, and in which order, is up to the test, and
 * the kernel's own stack receives it. And a server on this side that reads until it has all.
 * @module
 */
import { createServer, type Server, type Socket } from "node:net";
import type { CapturedBatch } from "#io/captured-packet.ts";
import { LinuxTun } from "#linux/tun.ts";
import { build } from "#packet/build.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { Packet } from "#packet/packet.ts";
import { tcp } from "#packet/tcp.ts";
import { enterOwnNamespace } from "./own-namespace.ts";
import { run } from "./packet-queue-net.ts";

const HERE = "10.93.0.1";
const THERE = "10.93.0.2";
const PORT = 4444;
const IPV4 = 0x0800;
/** The kernel is asked by programs that share two cores with others. */
const PATIENCE_MS = 20_000;

/** Bytes, and where in the client's stream they lie. */
export interface SentSegment {
  readonly offset: number;
  readonly text: string;
}

export class OverlapPeer {
  readonly #tun: LinuxTun;
  readonly #server: Server;
  #accepted: (socket: Socket) => void = () => undefined;
  /** By the client's port: what waits for the server's sequence number. */
  readonly #waiting = new Map<number, (sequence: number) => void>();
  #port = 20_000;

  private constructor(tun: LinuxTun, server: Server) {
    this.#tun = tun;
    this.#server = server;
    server.on("connection", (socket) => this.#accepted(socket));
    tun.start((batch) => this.#onBatch(batch));
  }

  /** Moves the process into a namespace of its own, with nothing but this device and `lo`. */
  static async open(): Promise<OverlapPeer> {
    enterOwnNamespace();
    run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    const tun = new LinuxTun({ mode: "tun" });
    run(`ip address add ${HERE}/24 dev ${tun.name}`);
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(PORT, HERE, resolve));
    return new OverlapPeer(tun, server);
  }

  /** Opens a connection, sends the segments in their order, and returns what the server's program read. */
  async exchange(segments: readonly SentSegment[], initialSequence: number): Promise<string> {
    const sourcePort = this.#port++;
    const lengthBytes = Math.max(...segments.map(({ offset, text }) => offset + text.length));
    const accepted = new Promise<Socket>((resolve) => {
      this.#accepted = resolve;
    });
    const answered = new Promise<number>((resolve) => void this.#waiting.set(sourcePort, resolve));
    const send = (offset: number, fields: object, text = ""): void => {
      const sequence = (initialSequence + 1 + offset) >>> 0;
      const header = tcp.header({ sourcePort, destinationPort: PORT, sequence, ...fields });
      const ip = ipv4.header({ source: THERE, destination: HERE });
      this.#tun.write(build(ip, header, Buffer.from(text)).toBytes());
    };
    send(-1, { syn: true });
    const acknowledgment = ((await soon(answered, "a SYN/ACK")) + 1) >>> 0;
    send(0, { ack: true, acknowledgment });
    const socket = await soon(accepted, "a connection");
    try {
      const read = readAll(socket, lengthBytes);
      for (const { offset, text } of segments) send(offset, { ack: true, psh: true, acknowledgment }, text);
      return await soon(read, `${lengthBytes} bytes`);
    } finally {
      send(lengthBytes, { rst: true });
      socket.destroy();
    }
  }

  close(): void {
    this.#server.close();
    this.#tun.close();
  }

  #onBatch(batch: CapturedBatch): void {
    const packet = new Packet();
    while (batch.next()) {
      const { bytes, offset, capturedBytes } = batch.packet;
      packet.aim(new DataView(bytes.buffer, bytes.byteOffset), offset, capturedBytes, IPV4);
      const header = packet.payload(ipv4)?.payload(tcp);
      if (header?.syn !== true || !header.ack) continue;
      this.#waiting.get(header.destinationPort)?.(header.sequence);
      this.#waiting.delete(header.destinationPort);
    }
  }
}

function readAll(socket: Socket, lengthBytes: number): Promise<string> {
  let text = "";
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (text.length >= lengthBytes) resolve(text);
    });
  });
}

async function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited for ${what} in vain`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
