/**
 * The first packets of every capture at hand: addresses, ports and payload of the innermost packet, against what tshark
 * says. The differences are named, one by one.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { IpAddress } from "#base/ip-address.ts";
import { LayerDecoder } from "#flow/layers/decode.ts";
import { IpProtocol, Layers } from "#flow/layers/layers.ts";
import { LinkType } from "#packet/link-type.ts";
import { CaptureReader } from "#wire/capture.ts";
import { MalformedCaptureError } from "#wire/capture-record.ts";
import { PcapngWriter } from "#wire/pcapng-writer.ts";
import { CAPTURES, capturesSkipped } from "../support/captures.ts";

const hasTshark = spawnSync("tshark", ["--version"]).error === undefined;
const skip = capturesSkipped || (hasTshark ? false : "tshark is not there: apt-get install tshark");

/** Taken from the start of each file: enough to see what kind of packets it has, few enough to wait for. */
const PACKETS_PER_FILE = 100;
const PACKET_BYTES_MAX = 200_000;
const LINK_TYPES: readonly number[] = Object.values(LinkType);

interface Sample {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly originalBytes: number;
  readonly linkType: number;
}

/** What both say of a packet. */
interface Seen {
  /** Source and target. */
  readonly addresses: string;
  /** Transport and ports; empty of others than TCP and UDP. */
  readonly ports: string;
  /** Of TCP and UDP, unless it is a fragment. */
  readonly payloadBytes: string;
}

function* samplesOf(path: string): Iterable<Sample> {
  const reader = new CaptureReader({ name: path });
  reader.push(readFileSync(join(CAPTURES, path)));
  try {
    for (let count = 1; count <= PACKETS_PER_FILE && reader.next(); count++) {
      const { bytes, offset, capturedBytes, originalBytes, linkType } = reader.record;
      if (!LINK_TYPES.includes(linkType) || capturedBytes > PACKET_BYTES_MAX) continue;
      const copy = Uint8Array.from(bytes.subarray(offset, offset + capturedBytes));
      yield { name: `${path} ${count}`, bytes: copy, originalBytes, linkType };
    }
  } catch (error) {
    // A file that is broken has the packets before the place where it is.
    if (!(error instanceof MalformedCaptureError)) throw error;
  }
}

const COLUMNS = [
  "frame.protocols",
  ...["ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.frag_offset", "ip.flags.mf", "ipv6.fraghdr.offset"],
  ...[
    "ipv6.fraghdr.more",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.len",
    "udp.srcport",
    "udp.dstport",
    "udp.length",
  ],
] as const;
type Row = Readonly<Record<(typeof COLUMNS)[number], readonly string[]>>;

function askTshark(samples: readonly Sample[], folder: string): Row[] {
  const writer = new PcapngWriter();
  const interfaces = new Map<number, number>();
  for (const linkType of LINK_TYPES) interfaces.set(linkType, writer.addInterface({ linkType }));
  for (const [index, { bytes, originalBytes, linkType }] of samples.entries()) {
    const lengths = { capturedBytes: bytes.length, originalBytes: Math.max(originalBytes, bytes.length) };
    writer.write({ seconds: index, nanoseconds: 0, ...lengths, bytes, offset: 0 }, interfaces.get(linkType));
  }
  const path = join(folder, "samples.pcapng");
  writeFileSync(path, writer.take());
  const off = ["ip.defragment", "ipv6.defragment", "tcp.desegment_tcp_streams"];
  const { stdout, error } = spawnSync(
    "tshark",
    [
      ...["-n", "-r", path, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"],
      ...["-d", "udp.port==8472,vxlan"],
      ...off.flatMap((name) => ["-o", `${name}:FALSE`]),
      ...["-o", "ip.tso_support:TRUE"],
      ...COLUMNS.flatMap((column) => ["-e", column]),
    ],
    { encoding: "utf8", maxBuffer: 1 << 28 },
  );
  assert.equal(error, undefined, "tshark runs");
  return stdout
    .split("\n")
    .slice(0, samples.length)
    .map((line) => {
      const texts = line.split("\t");
      return Object.fromEntries(
        COLUMNS.map((column, at) => [column, (texts[at] ?? "").split(",")]),
      ) as unknown as Row;
    });
}

/** What we do not open, and what quotes a packet: what tshark sees behind it counts for nothing. */
const CLOSED: ReadonlySet<string> = new Set(
  "icmp icmpv6 capwap capwap.data openflow esp pim sflow nsh macsec avsp nhrp cmd".split(" "),
);

/** Files that were made, or found, to break a program that reads packets. */
const BROKEN =
  /fuzz|oobr|asan|overflow|segfault|seg-fault|invalid|cve-|kday|oversized|negative|missing|nhrp_1|lwres/;
/** Packets of which we see something else, and why. */
const BEYOND = "the packet is longer than its frame, by what it says";
const ZERO = "a length of 0 is that of an aggregate, which are TCP's and UDP's";
const DIFFERENCES: Readonly<Record<string, string>> = {
  "ndpi/ajp.pcap": "tshark takes the last four bytes of a FabricPath frame for its checksum",
  "ndpi/telnet.pcap": BEYOND,
  "tcpdump/icmp_inft_name_length_zero.pcap": BEYOND,
  "tcpdump/ip-snmp-leftshift-unsigned.pcap": "UDP's length is more than IP's",
  "tcpdump/icmp-length-zero.pcapng": ZERO,
  "tcpdump/icmpv6-length-zero.pcapng": ZERO,
  "tcpdump/ipv6-too-long-jumbo.pcap": "the jumbogram is longer than its frame",
  "tcpdump/ipv6_39_byte_header.pcap": "no whole header",
  "tcpdump/wccp_redirect_gre.pcap": "a redirect header of WCCP in GRE, which is not opened",
  "tcpflow/simson.pcap": "the capture has 40 bytes of each frame, and of TCP six",
  ...Object.fromEntries(
    ["4-geneve-ipv4", "4-geneve-ipv6", "4-vxlan-ipv4", "4-vxlan-ipv6", "6", "6-geneve-ipv4", "6-geneve-ipv6"]
      .concat("6-vxlan-ipv4", "6-vxlan-ipv6")
      .map((kind) => [`tcpdump/bigtcp-ipv${kind}.pcap`, "tshark does not read aggregates without a length"]),
  ),
};

/** What tshark says of the innermost packet that is not quoted; `undefined` when it sees none. */
function theirView(row: Row): Seen | undefined {
  const counts = { ip: 0, ipv6: 0, tcp: 0, udp: 0 };
  let network: "ip" | "ipv6" | undefined;
  let transport: "tcp" | "udp" | undefined;
  for (const name of (row["frame.protocols"][0] ?? "").split(":")) {
    if (CLOSED.has(name)) break;
    if (name === "ip" || name === "ipv6") {
      network = name;
      transport = undefined;
      counts[name]++;
    } else if (name === "tcp" || name === "udp") {
      transport = name;
      counts[name]++;
    }
  }
  if (network === undefined) return undefined;
  const of = (column: keyof Row, count: number): string => row[column][count - 1] ?? "";
  const addresses = `${of(`${network}.src`, counts[network])} ${of(`${network}.dst`, counts[network])}`;
  if (transport === undefined) return { addresses, ports: "", payloadBytes: "" };
  const count = counts[transport];
  const ports = `${transport} ${of(`${transport}.srcport`, count)} ${of(`${transport}.dstport`, count)}`;
  const payloadBytes = transport === "tcp" ? of("tcp.len", count) : `${Number(of("udp.length", count)) - 8}`;
  return { addresses, ports, payloadBytes };
}

function ownView(layers: Layers): Seen {
  const { version, protocol, sourcePort, targetPort, payloadBytes, isFragment } = layers;
  const { bytes, networkOffset: at } = layers;
  const [from, to, size] = version === 4 ? [at + 12, at + 16, 4] : [at + 8, at + 24, 16];
  const source = new IpAddress(bytes.subarray(from, from + size));
  const target = new IpAddress(bytes.subarray(to, to + size));
  const name = protocol === IpProtocol.tcp ? "tcp" : protocol === IpProtocol.udp ? "udp" : "";
  const hasPorts = name !== "" && layers.fragmentOffset * Number(isFragment) === 0;
  return {
    addresses: `${source} ${target}`,
    ports: hasPorts ? `${name} ${sourcePort} ${targetPort}` : "",
    payloadBytes: hasPorts && !isFragment ? `${payloadBytes}` : "",
  };
}

function format(seen: Seen | undefined): string {
  return seen === undefined ? "nothing" : `${seen.addresses} ${seen.ports} ${seen.payloadBytes}`;
}

function isSame(own: Seen | undefined, their: Seen | undefined, isFragment: boolean): boolean {
  if (own === undefined || their === undefined) return own === their;
  if (own.addresses !== their.addresses || own.ports !== their.ports) return false;
  // tshark takes a first fragment's ports and length for those of a whole packet.
  return isFragment || own.payloadBytes === their.payloadBytes;
}

describe("captures", { skip }, () => {
  it("LayerDecoder finds in the captures' packets what tshark finds", (context) => {
    const paths = readdirSync(CAPTURES, { recursive: true, encoding: "utf8" })
      .filter((path) => /\.(pcap|pcapng|cap)$/.test(path))
      .sort();
    const samples = paths.flatMap((path) => [...samplesOf(path)]);
    const folder = mkdtempSync(join(tmpdir(), "metanet-layers-"));
    try {
      const rows = askTshark(samples, folder);
      assert.equal(rows.length, samples.length);
      const decoder = new LayerDecoder({ tunnels: true, key: { vlan: true, tunnel: true } });
      const layers = new Layers();
      const differences: string[] = [];
      let sameCount = 0;
      let brokenCount = 0;
      for (const [index, { name, bytes, originalBytes, linkType }] of samples.entries()) {
        const view = new DataView(bytes.buffer);
        const isGood = decoder.decode(layers, bytes, view, 0, bytes.length, originalBytes, linkType);
        const own = isGood ? ownView(layers) : undefined;
        const their = theirView(rows[index] as Row);
        const isFragment = isGood && layers.isFragment;
        if (isSame(own, their, isFragment)) sameCount++;
        else if (!isGood && BROKEN.test(name)) brokenCount++;
        else if (DIFFERENCES[name.replace(/ .*/, "")] === undefined) {
          const protocols = rows[index]?.["frame.protocols"];
          differences.push(
            `${name}: ${layers.problem} ${format(own)}, tshark: ${format(their)} ${protocols}`,
          );
        }
      }
      context.diagnostic(`${sameCount} of ${samples.length} packets alike, ${brokenCount} broken ones`);
      assert.deepEqual(differences, []);
      assert.ok(sameCount > samples.length * 0.95, `${sameCount} of ${samples.length} packets`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
