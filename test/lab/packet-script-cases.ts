/**
 * The scripts of packet-script*.test.ts: each function is one case.
 * @module
 */
import {
  accept,
  type Context,
  delayed,
  drop,
  ipv4,
  later,
  mark,
  milliseconds,
  type Packet,
  queue,
  repeat,
  udp,
  type Verdict,
} from "metanet/script";

/** The first byte of what a UDP datagram carries, as text. */
function letter(packet: Packet): string {
  return packet.find(udp)?.payload().text(0, 1) ?? "";
}

/** What is wanted stands in the datagram. */
export function byLetter(packet: Packet, context: Context): Verdict | undefined {
  context.counter(letter(packet)).add();
  switch (letter(packet)) {
    case "a":
      return accept;
    case "d":
      return drop;
    case "r":
      return repeat;
    case "m":
      return mark(0x77);
    case "q":
      return queue(77);
    case "t":
      throw new TypeError("thrown for a test");
    case "n":
      return "nonsense" as unknown as Verdict;
    default:
      return undefined;
  }
}

let rounds = 0;

/** Goes round until the third time. */
export function thrice(packet: Packet): Verdict {
  if (letter(packet) !== "r") return accept;
  return ++rounds % 3 === 0 ? accept : repeat;
}

/** Verdicts that come later. */
export function byLetterLater(packet: Packet, context: Context) {
  switch (letter(packet)) {
    case "p":
      return Promise.resolve(accept);
    case "x":
      return later(Promise.resolve(drop));
    case "s":
      return delayed(milliseconds(100));
    case "e":
      return Promise.reject(new Error("rejected for a test"));
    case "z":
      return later(new Promise<Verdict>(() => undefined), milliseconds(100));
    case "w":
      return new Promise<Verdict>((resolve) => {
        context.defer(
          () => {
            packet.find(udp)?.payload().setUint8(0, 0x57);
            resolve(accept);
          },
          { delay: milliseconds(50) },
        );
      });
    default:
      return undefined;
  }
}

/** Never comes back. */
export function loops(packet: Packet): Verdict {
  if (letter(packet) === "l") for (;;);
  return accept;
}

/** Lets nothing else have a turn. */
export function spins(packet: Packet): Verdict | Promise<Verdict> {
  const again = (): Promise<Verdict> => Promise.resolve().then(again);
  if (letter(packet) === "s") return again();
  return accept;
}

/** Holds one packet for long, and loops over another. */
export function holdsAndLoops(packet: Packet): Verdict | ReturnType<typeof delayed> {
  if (letter(packet) === "h") return delayed(milliseconds(60_000));
  return loops(packet);
}

const hoard: unknown[] = [];

/** Allocates without end. */
export function hoards(packet: Packet): Verdict {
  if (letter(packet) === "h") for (;;) hoard.push(Array.from({ length: 1000 }, () => ({})));
  return accept;
}

/** Writes in capitals. */
export function capitals(packet: Packet): Verdict {
  const payload = packet.find(udp)?.payload();
  for (let at = 0; at < (payload?.lengthBytes ?? 0); at++) {
    payload?.setUint8(at, (payload.uint8(at) ?? 0) & ~0x20);
  }
  return accept;
}

/** Hides the client's network. */
export function nat(packet: Packet): Verdict {
  const header = packet.payload(ipv4);
  if (header && packet.hook === "postrouting") header.source = "10.91.2.1";
  if (header && packet.hook === "prerouting") header.destination = "10.91.1.2";
  return accept;
}

/** Ends the thread. */
export function ends(packet: Packet): Verdict {
  if (letter(packet) === "k") process.exit(1);
  return accept;
}

/** Says who saw the packet, in what it carries. */
export function signs(packet: Packet, context: Context): Verdict {
  packet.find(udp)?.payload().setUint8(0, 0x56);
  context.counter("signed").add();
  return accept;
}

/** Counts aggregates, and reads to their end. */
export function measures(packet: Packet, context: Context): void {
  if (packet.isAggregate) context.counter("aggregates").add();
  context.counter("octets").add(packet.bytes().length);
}

/** Counts in a map that other isolates have as well. */
export function shares(packet: Packet, context: Context): void {
  context.map("seen", { key: "text", countMax: 16 }).add(letter(packet));
  context.counter(`at ${packet.hook} from ${packet.inInterface} to ${packet.outInterface}`).add();
}

/** Gives each connection a mark, and counts by it. */
export function tracks(packet: Packet, context: Context): void {
  const { connection } = packet;
  if (connection === undefined) return;
  context
    .counter(`${connection.state} ${connection.isReply ? "reply" : "original"} ${connection.mark}`)
    .add();
  if (connection.mark === 0) connection.mark = 0x1234;
}

const order: string[] = [];

/** Puts off, and puts off what it puts off. */
export function puts(packet: Packet, context: Context): void {
  order.push(letter(packet));
  context.defer(() => {
    order.push("deferred");
    context.defer(() => context.log(order.splice(0).join(" ")));
  });
}
