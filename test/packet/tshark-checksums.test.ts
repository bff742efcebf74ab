/**
 * Every packet of every capture at hand: which headers are seen and whether their checksums are right, against what
 * tshark says. The differences are named, one by one.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
// Those that are looked for behind others have to be defined.
import "#packet/arp.ts";
import "#packet/ethernet.ts";
import "#packet/icmp.ts";
import "#packet/icmpv6.ts";
import "#packet/tcp.ts";
import "#packet/tunnel.ts";
import "#packet/udp.ts";
import "#packet/vlan.ts";
import { ETHERNET_FIRST, Packet } from "#packet/packet.ts";
import { verifyChecksum } from "#packet/verify.ts";
import { PcapWriter } from "#wire/pcap-writer.ts";
import { capturesSkipped } from "../support/captures.ts";
import { type CapturedPacket, capturedPackets } from "./captured-packets.ts";

const hasTshark = spawnSync("tshark", ["--version"]).error === undefined;
const skip = capturesSkipped || (hasTshark ? false : "tshark is not there: apt-get install tshark");

/** The protocols that are compared, as we and as tshark call them. */
const COMPARED: readonly (readonly [string, string])[] = [
  ["ipv4", "ip"],
  ["tcp", "tcp"],
  ["udp", "udp"],
  ["icmp", "icmp"],
  ["icmpv6", "icmpv6"],
];
/** tshark's numbers: bad, good, not looked at, not there. */
const STATES = { bad: "0", good: "1", unknown: "2", none: "3" } as const;
const NOT_LOOKED_AT = "2";

/** Packets of a file, or one of them, of which we see something else, and why. */
const DIFFERENCES: Readonly<Record<string, string>> = {
  "tcpdump/vxlan_port_8472.pcap":
    "the port of Linux's VXLAN before IANA gave one, which tshark has to be told",
  "tcpdump/icmpv6-length-zero.pcapng 1": "an IPv6 payload length of 0 means all there is, as in aggregates",
  "tcpdump/LINKTYPE_IPV4_invalid.pcap 1": "IPv6 where the link type says IPv4",
  "tcpdump/LINKTYPE_IPV6_invalid.pcap 1": "IPv4 where the link type says IPv6",
  "tcpdump/wccp_redirect_gre.pcap 1": "a redirect header of WCCP in GRE, of which there is no view",
  "tcpdump/ip_printroute_asan.pcap 1": "options longer than the packet: no whole header, no view",
  "tcpdump/ipv4_invalid_length.pcap 1": "a total length below that of the header: no view",
  "tcpdump/extract_read2_asan.pcap 1": "the packet ends inside of the header: no view",
  "tcpdump/beep-oobr.pcap 2": "the packet ends inside of the header: no view",
  "tcpdump/heapoverflow-tcp_print.pcap 1": "the packet ends inside of the header: no view",
  "tcpdump/tcp-auth-heapoverflow.pcap 1": "the packet ends inside of the header: no view",
  "tcpdump/icmp6_mobileprefix_asan.pcap 1": "the packet ends inside of the header: no view",
  "gopacket/linux_sll_oversized_addr.pcapng 87": "the packet ends inside of TCP's options: no view",
};

/** Protocols that carry packets and of which there is no view: tshark sees further in. */
const UNSEEN =
  /:(avsp|capwap\.data|cfp|cmd|erspan|gtp|macsec|nhrp|nsh|openflow|pim|ppp|sflow|teredo|geneve|l2tp|etherip|lwapp|lisp|isl)\b/;

interface Verdict {
  /** The states of each of the compared protocols, outermost first, with commas. */
  readonly states: readonly string[];
  readonly protocols: string;
}

/** What tshark says of packets, in their order. */
function askTshark(packets: readonly CapturedPacket[], linkType: number, folder: string): Verdict[] {
  const writer = new PcapWriter({ linkType });
  for (const [index, { bytes, fullLengthBytes }] of packets.entries()) {
    writer.write({
      seconds: index,
      nanoseconds: 0,
      capturedBytes: bytes.length,
      originalBytes: fullLengthBytes,
      bytes,
      offset: 0,
    });
  }
  const path = join(folder, `${linkType}.pcap`);
  writeFileSync(path, writer.take());
  const off = ["ip.defragment", "ipv6.defragment", "tcp.desegment_tcp_streams"];
  const on = ["ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"];
  const preferences = [...on.map((name) => `${name}:TRUE`), ...off.map((name) => `${name}:FALSE`)];
  const fields = [...COMPARED.map(([, theirs]) => `${theirs}.checksum.status`), "frame.protocols"];
  const { stdout, error } = spawnSync(
    "tshark",
    [
      ...["-n", "-r", path, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"],
      ...preferences.flatMap((preference) => ["-o", preference]),
      ...fields.flatMap((field) => ["-e", field]),
    ],
    { encoding: "utf8", maxBuffer: 1 << 28 },
  );
  assert.equal(error, undefined, "tshark runs");
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => {
      const columns = line.split("\t");
      return { states: columns.slice(0, -1), protocols: columns.at(-1) ?? "" };
    });
}

/** What we say of one. */
function ownStates(packet: Packet, { bytes, etherType, fullLengthBytes }: CapturedPacket): string[] {
  packet.aim(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length, etherType);
  packet.fullLengthBytes = fullLengthBytes;
  const headers = packet.headers();
  return COMPARED.map(([ours]) =>
    headers
      .filter((header) => header.$of.name === ours)
      .map((header) => STATES[verifyChecksum(header)])
      .join(","),
  );
}

/** Why two may differ; `undefined` when nothing says so. */
function excuse(ours: string, theirs: string, protocols: string): string | undefined {
  const own = ours === "" ? [] : ours.split(",");
  const other = theirs === "" ? [] : theirs.split(",");
  if (own.length !== other.length)
    return UNSEEN.test(protocols) && own.every((state, at) => state === other[at]) ? "further in" : undefined;
  if (own.every((state, at) => state === other[at] || other[at] === NOT_LOOKED_AT))
    return "tshark does not look at what an error quotes";
  if (own.every((state, at) => state === other[at] || state === STATES.unknown))
    return "a header tells of more bytes than there are: tshark sums up what there is";
  return undefined;
}

describe("captures", { skip }, () => {
  it("verifyChecksum() says of every packet of every capture what tshark says", (context) => {
    const packets = [...capturedPackets()];
    const folder = mkdtempSync(join(tmpdir(), "metanet-tshark-"));
    const packet = new Packet();
    const reasons = new Map<string, number>();
    const unexplained: string[] = [];
    let same = 0;
    try {
      const frames = packets.filter(({ etherType }) => etherType === ETHERNET_FIRST);
      const others = packets.filter(({ etherType }) => etherType !== ETHERNET_FIRST);
      for (const [list, linkType] of [
        [frames, 1],
        [others, 101],
      ] as const) {
        const verdicts = askTshark(list, linkType, folder);
        assert.equal(verdicts.length, list.length, "one line for each packet");
        for (const [index, captured] of list.entries()) {
          const { states, protocols } = verdicts[index] as Verdict;
          const own = ownStates(packet, captured);
          for (const [at, [name]] of COMPARED.entries()) {
            const [ours = "", theirs = ""] = [own[at], states[at]];
            if (ours === theirs) {
              if (ours !== "") same++;
              continue;
            }
            const [file = ""] = captured.name.split(" ");
            const reason = DIFFERENCES[captured.name] ?? DIFFERENCES[file] ?? excuse(ours, theirs, protocols);
            const seen = `${name} of ${captured.name} (${protocols}): ${ours}, tshark ${theirs}`;
            if (reason === undefined) unexplained.push(seen);
            else reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
          }
        }
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
    context.diagnostic(`${packets.length} packets, ${same} lists of checksums the same`);
    for (const [reason, count] of reasons) context.diagnostic(`${count}: ${reason}`);
    assert.deepEqual(unexplained, []);
    const unlooked = [...reasons].filter(([reason]) => reason.startsWith("a header tells"));
    assert.ok((unlooked[0]?.[1] ?? 0) < 100, "not looking is no way to be right");
    assert.ok(same > packets.length, "most packets have two checksums");
  });
});
