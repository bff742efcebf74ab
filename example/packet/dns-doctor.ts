/**
 * A DNS doctor: gives names other addresses in the answers that pass, and answers itself that blocked names do not
 * exist. Load `treat` for answers (`udp sport 53`) and `block` for questions (`udp dport 53`).
 *
 * @module
 */
import {
  build,
  type Context,
  DnsType,
  dns,
  drop,
  ipv4,
  ipv4Address,
  ipv6,
  ipv6Address,
  type Packet,
  udp,
  type Verdict,
  verdict,
} from "metanet/script";

/** The addresses that clients are to get instead: those of the server as it is seen from inside. */
const TREATED: ReadonlyMap<string, { readonly a?: number; readonly aaaa?: bigint }> = new Map([
  ["www.example.com", { a: ipv4Address("10.1.2.3"), aaaa: ipv6Address("fd00::1:2:3") }],
]);

/** Names that are to have no address, with all names below them. */
const BLOCKED: ReadonlySet<string> = new Set(["ads.example.net", "tracker.example"]);

const NO_SUCH_NAME = 3;
const ANSWER_SECONDS_MAX = 60;

/** Writes other addresses into answers. */
export function treat(packet: Packet, context: Context): Verdict {
  const message = packet.find(dns);
  if (!message?.isResponse) return verdict.continue;
  for (const record of message.answers()) {
    const wanted = TREATED.get(record.name?.toLowerCase() ?? "");
    const address =
      record.type === DnsType.a ? wanted?.a : record.type === DnsType.aaaa ? wanted?.aaaa : undefined;
    if (address === undefined || record.address === address) continue;
    record.address = address;
    record.timeToLive = Math.min(record.timeToLive, ANSWER_SECONDS_MAX);
    // What was signed is not what is there any more.
    message.isAuthentic = false;
    context.counter("treated").add();
  }
  return verdict.continue;
}

/** Answers questions for blocked names. */
export function block(packet: Packet, context: Context): Verdict {
  const datagram = packet.find(udp);
  const message = datagram?.payload(dns);
  const question = message?.question;
  if (!datagram || !message || !question || message.isResponse || !isBlocked(question.name))
    return verdict.continue;
  const { identifier, opcode, recursionDesired } = message;
  const answer = dns.header({
    identifier,
    opcode,
    isResponse: true,
    recursionDesired,
    recursionAvailable: true,
    responseCode: NO_SUCH_NAME,
    questionCount: 1,
  });
  const ports = udp.header({ sourcePort: datagram.destinationPort, destinationPort: datagram.sourcePort });
  const four = packet.find(ipv4);
  const six = packet.find(ipv6);
  const back = four
    ? ipv4.header({ source: four.destination, destination: four.source })
    : ipv6.header({ source: six?.destination ?? 0n, destination: six?.source ?? 0n });
  // The question goes back as it came, in the case it was written in.
  context.send(build(back, ports, answer, message.copy(question.at, question.lengthBytes)));
  context.counter("blocked").add();
  return drop;
}

/** Whether a name or one above it is blocked. */
function isBlocked(name: string | undefined): boolean {
  for (let rest = name?.toLowerCase(); rest; rest = /\.(.*)/.exec(rest)?.[1])
    if (BLOCKED.has(rest)) return true;
  return false;
}
