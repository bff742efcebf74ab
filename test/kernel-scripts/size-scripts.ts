/**
 * Scripts that are as large as those of people who mean it: many rules, several headers looked for, loops over bytes, loops
 * in loops, and all of that together.
 * @module
 */

export interface LargeScript {
  readonly name: string;
  readonly text: string;
  /** Steps of the kernel's verifier at any place, at most: about twice what they were; a million are the end. */
  readonly stepsMax: number;
  /** It changes packets, which netfilter's hooks do not take. */
  readonly writes: boolean;
}

const NAMES = "accept, type Context, drop, icmp, ipv4, ipv6, type Packet, seconds, tcp, udp, verdict";

/** A module with a function `large`. */
function moduleOf(body: string): string {
  return `import { ${NAMES} } from "metanet/script";
export const options = { tunnels: false };
export function large(packet: Packet, context: Context) {
${body}
}
`;
}

/** Rules of six kinds in turns. */
function rulesOf(count: number): string {
  return Array.from({ length: count }, (_, index) => {
    const kinds = [
      `if (segment && segment.destinationPort === ${1000 + index} && four && (four.source & 0xffff00) === ${index << 8}) return drop;`,
      `if (datagram && datagram.destinationPort >= ${2000 + index} && datagram.destinationPort <= ${2100 + index}) { context.counter("rule${index}").add(1); return accept; }`,
      `if (six && six.source >> 64n === 0x20010db8000000${(index % 90) + 10}n) return drop;`,
      `if (segment?.syn && !segment.ack && packet.lengthBytes > ${60 + index} && (hits.add(${index}) ?? 0) > 100) return drop;`,
      `if (four && four.protocol === ${index} && four.timeToLive < ${index}) return drop;`,
      `if (blocked.has(((four?.source ?? 0) ^ ${index}) >>> 0)) { context.counter("blocked").add(packet.lengthBytes); return drop; }`,
    ];
    return `  ${kinds[index % kinds.length]}`;
  }).join("\n");
}

const FIREWALL = `
  const hits = context.map("hits", { kind: "lru", countMax: 1024, timeToLive: seconds(10) });
  const blocked = context.map("blocked", { kind: "hash", countMax: 1024 });
  const flows = context.map("flows", { kind: "lru", countMax: 65_536 });
  const four = packet.find(ipv4);
  const six = packet.find(ipv6);
  const segment = packet.find(tcp);
  const datagram = packet.find(udp);
${rulesOf(30)}
  const port = segment?.destinationPort ?? datagram?.destinationPort ?? 0;
  flows.add((four?.source ?? 0) * 65_536 + port);
  return verdict.continue;`;

const NAT = `
  const ip = packet.find(ipv4);
  const segment = packet.find(tcp);
  if (!segment) return verdict.continue;
  const nat = context.map("nat", { kind: "lru", countMax: 65_536 });
  const sizes = context.map("sizes", { kind: "array", countMax: 256 });
  sizes.add(packet.lengthBytes & 255);
  if (segment.syn) {
    const most = segment.maximumSegmentSize;
    if (most !== undefined && most > 1400) segment.maximumSegmentSize = 1400;
  }
  if (ip && (ip.source & 0xff000000) >>> 0 === 0x0a000000) {
    const key = ip.source * 65_536 + segment.sourcePort;
    const port = nat.get(key) ?? 20_000 + context.randomInteger(10_000);
    nat.set(key, port & 0xffff);
    ip.source = "192.0.2.1";
    segment.sourcePort = port & 0xffff;
    context.counter("translated").add(packet.lengthBytes);
  }
  return verdict.continue;`;

const DNS = `
  const datagram = packet.find(udp);
  if (!datagram || datagram.destinationPort !== 53) return verdict.continue;
  const message = datagram.payload();
  const blocked = context.map("blocked-names", { kind: "hash", countMax: 4096 });
  let at = 12;
  let hash = 5381;
  for (let label = 0; label < 16; label++) {
    const length = message.uint8(at);
    if (length === undefined || length > 63) return drop;
    if (length === 0) break;
    for (let index = 0; index < 63; index++) {
      if (index >= length) break;
      let letter = message.uint8(at + 1 + index);
      if (letter === undefined) return drop;
      if (letter >= 65 && letter <= 90) letter += 32;
      hash = (Math.imul(hash, 33) ^ letter) >>> 0;
    }
    at += 1 + length;
    if (blocked.has(hash)) return drop;
  }
  return verdict.continue;`;

const SCRUB = `
  const payload = packet.payload(ipv4)?.payload(udp)?.payload();
  if (!payload) return verdict.continue;
  for (let at = 0; at < 256; at++) payload.setUint8(at, (payload.uint8(at) ?? 0) ^ 0x5a);
  return verdict.continue;`;

const SQUARE = `
  const payload = packet.find(udp)?.payload();
  if (!payload) return verdict.continue;
  let changed = 0;
  for (let row = 0; row < 16; row++) {
    for (let column = 0; column < 16; column++) {
      const at = row * 16 + column;
      const value = payload.uint8(at);
      if (value === undefined) break;
      if (value > 0x60 && value < 0x7b) {
        payload.setUint8(at, value - 0x20);
        changed++;
      }
    }
  }
  return changed > 10 ? accept : verdict.continue;`;

const FINDS = `
  const four = packet.find(ipv4);
  const segment = packet.find(tcp);
  const datagram = packet.find(udp);
  const six = packet.find(ipv6);
  if (four) four.timeToLive = 64;
  if (six) six.hopLimit = 64;
  if (packet.find(icmp)) return drop;
  const payload = segment?.payload() ?? datagram?.payload();
  if (!payload) return verdict.continue;
  for (let at = 0; at < 64; at++) {
    const value = payload.uint8(at);
    if (value === undefined) break;
    payload.setUint8(at, value ^ 0x20);
  }
  context.counter("done").add(1);
  return verdict.continue;`;

const SEARCH = `
  const payload = packet.find(tcp)?.payload();
  if (!payload) return verdict.continue;
  for (let at = 0; at < 128; at++) {
    let same = 0;
    for (let index = 0; index < 4; index++) if (payload.uint8(at + index) === (0x20544547 >>> (8 * index)) % 256) same++;
    if (same === 4) return drop;
  }
  return verdict.continue;`;

const OPTIONS = `
  const payload = packet.find(udp)?.payload();
  if (!payload) return verdict.continue;
  let at = 4;
  let found = 0;
  let total = 0;
  for (let index = 0; index < 32; index++) {
    const type = payload.uint8(at);
    const length = payload.uint8(at + 1);
    if (type === undefined || length === undefined || type === 0xff) break;
    if (type === 0) {
      at++;
      continue;
    }
    if (type === 53) found = payload.uint8(at + 2) ?? 0;
    else if (type === 61) {
      for (let byte = 0; byte < 16 && byte < length; byte++) total += payload.uint8(at + 2 + byte) ?? 0;
    } else if (type === 12) context.counter("host").add(1);
    at += 2 + length;
  }
  return found === 1 && total > 300 ? drop : verdict.continue;`;

const HISTOGRAM = `
  const payload = packet.find(udp)?.payload();
  if (!payload) return verdict.continue;
  const seen = context.map("seen", { kind: "hash", countMax: 1000 });
  const counts = new Uint8Array(64);
  let [sum, odd] = [0, 0];
  for (let row = 0; row < 16; row++) {
    let rowSum = 0;
    for (let column = 0; column < 16; column++) {
      const value = payload.uint8(row * 16 + column) ?? 0;
      counts[value & 63] = (counts[value & 63] ?? 0) + 1;
      rowSum += value;
      if (value & 1) odd++;
    }
    if (rowSum > 1000) seen.add(rowSum);
    sum += rowSum * (row + 1);
  }
  let most = 0;
  for (let index = 0; index < 64; index++) most = Math.max(most, counts[index] ?? 0);
  return (sum > 100_000 && odd > 20) || most > 60 ? drop : verdict.continue;`;

const CUBE = `
  let [total, previous] = [0, 0];
  for (let one = 0; one < 12; one++)
    for (let two = 0; two < 12; two++)
      for (let three = 0; three < 12; three++) {
        const value = (packet.lengthBytes ^ (one * two + three)) & 7;
        if (value > previous) total++;
        previous = value;
      }
  return total > 300 ? drop : verdict.continue;`;

export const LARGE_SCRIPTS: readonly LargeScript[] = [
  {
    name: "30 rules over five maps, counters and four headers",
    text: moduleOf(FIREWALL),
    stepsMax: 90_000,
    writes: false,
  },
  { name: "maximum segment size, NAT and counters", text: moduleOf(NAT), stepsMax: 15_000, writes: true },
  { name: "names of DNS questions, letter by letter", text: moduleOf(DNS), stepsMax: 4000, writes: false },
  { name: "256 bytes below a checksum", text: moduleOf(SCRUB), stepsMax: 3000, writes: true },
  { name: "a square of bytes below a checksum", text: moduleOf(SQUARE), stepsMax: 12_000, writes: true },
  {
    name: "five headers looked for, and bytes changed",
    text: moduleOf(FINDS),
    stepsMax: 170_000,
    writes: true,
  },
  { name: "a word looked for at each byte", text: moduleOf(SEARCH), stepsMax: 30_000, writes: false },
  {
    name: "options of DHCP, and a loop in one of them",
    text: moduleOf(OPTIONS),
    stepsMax: 8000,
    writes: false,
  },
  { name: "a histogram, and sums of rows", text: moduleOf(HISTOGRAM), stepsMax: 20_000, writes: false },
  { name: "three loops in one another", text: moduleOf(CUBE), stepsMax: 3000, writes: false },
];
