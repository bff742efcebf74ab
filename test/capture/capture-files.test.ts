/**
 * Every capture that is at hand, against what capinfos says of it. The differences are named, one by one.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { CaptureReader } from "#wire/capture.ts";
import { MalformedCaptureError } from "#wire/capture-record.ts";
import { PcapWriter } from "#wire/pcap-writer.ts";
import { PcapngWriter } from "#wire/pcapng-writer.ts";
import { CAPTURES, capturesSkipped } from "../support/captures.ts";

const skip = capturesSkipped;

const UNKNOWN_LINK_TYPE = "capinfos refuses the link type; the packets are counted all the same";
const FRACTION = "a fraction of a second or more: capinfos cuts it to 32 bits, here it is carried";
const AFTER_2038 =
  "seconds from 2^31 on: capinfos orders them as if they were before 1970; tshark, per packet, agrees";
const ATM = "capinfos takes the header of 4 bytes that SunATM has off each packet's length";
const ATM_FRACTION = `${ATM}; and ${FRACTION}`;
const BINARY = "time in 2^-8 s, of which capinfos prints two digits";
const NEXT_SECTION = "the second section has version 2: capinfos says nothing of the first then";
const CUT = "the file is cut, which is told";

/** Our count, sum of lengths, earliest and latest time; then why capinfos says something else. */
const DIFFERENCES: Readonly<Record<string, readonly [string, string]>> = {
  "gopacket/test901.pcapng": ["1 314 1340954905.298858000 1340954905.298858000", NEXT_SECTION],
  "gopacket/test902.pcapng": ["1 314 1519128000.195312500 1519128000.195312500", BINARY],
  "ndpi/fuzz-2021-10-13.pcap": [
    "1 524501 980658803.882137472 980658803.882137472",
    `${CUT}; and ${FRACTION}`,
  ],
  "tcpdump/atm-heapoverflow.pcap": ["1 262144 84.999999000 84.999999000", ATM],
  "tcpdump/atm-oam-heapoverflow.pcap": ["1 262144 808464432.999999000 808464432.999999000", ATM],
  "tcpdump/atm-oam-loopback-print-overrun.pcap": [
    "1 65622 1544489736.821166000 1544489736.821166000",
    ATM_FRACTION,
  ],
  "tcpdump/bgp_vpn_rt-oobr.pcap": ["38 524288 0.000000000 4294901760.000128000", AFTER_2038],
  "tcpdump/brcm-tag-prepend.pcap": ["15 1386 6756535.079276000 6756542.648563000", UNKNOWN_LINK_TYPE],
  "tcpdump/brcm-tag.pcap": ["23 4082 7820.634030000 7838.321602000", UNKNOWN_LINK_TYPE],
  "tcpdump/dsa-high-vid.pcap": ["4 408 402.569821000 402.575572000", UNKNOWN_LINK_TYPE],
  "tcpdump/dsa.pcap": ["8 722 80499.544060000 80504.560415000", UNKNOWN_LINK_TYPE],
  "tcpdump/edsa-high-vid.pcap": ["4 424 519.888043000 519.893737000", UNKNOWN_LINK_TYPE],
  "tcpdump/edsa.pcap": ["10 872 80504.604675000 80509.809342000", UNKNOWN_LINK_TYPE],
  "tcpdump/frf16_magic_ie-oobr.pcap": [
    "1 262144 2145916800.000000000 2145916800.000000000",
    UNKNOWN_LINK_TYPE,
  ],
  "tcpdump/hoobr_juniper3.pcap": ["1 262144 808464432.999999000 808464432.999999000", UNKNOWN_LINK_TYPE],
  "tcpdump/juniper_es_oobr.pcap": ["1 262144 808466480.999999000 808466480.999999000", UNKNOWN_LINK_TYPE],
  "tcpdump/juniper_monitor_invalid_cookie_length.pcap": [
    "1 82 1432042456.720640000 1432042456.720640000",
    UNKNOWN_LINK_TYPE,
  ],
  "tcpdump/kday6.pcap": ["1 262144 26756.663614000 26756.663614000", UNKNOWN_LINK_TYPE],
  "tcpdump/olsr-oobr-2.pcap": ["3 786432 0.999999000 4294934285.999999000", AFTER_2038],
  "tcpdump/pim_header_asan-2.pcap": ["3 524288 4.999999000 2521431551.000004000", AFTER_2038],
  "tcpdump/rx_serviceid_oobr.pcap": ["3 524288 3841.916976000 2145916800.000000000", FRACTION],
  "tcpdump/timestamp_invalid_micro.pcap": ["3 220 1418145369.999999000 1418147517.483648000", FRACTION],
  "tcpdump/timestamp_invalid_nano.pcap": ["3 220 1418145369.999999999 1418145372.147483648", FRACTION],
  "tcpdump/vtp_asan-2.pcap": ["1 262144 1700306020.999999000 1700306020.999999000", UNKNOWN_LINK_TYPE],
  "tcpdump/vtp_asan-3.pcap": ["1 262144 1700306020.999999000 1700306020.999999000", UNKNOWN_LINK_TYPE],
  "tcpdump/vtp_asan.pcap": ["5 524288 0.000000000 1700306020.999999000", UNKNOWN_LINK_TYPE],
  "tcpflow/bug8.pcap": ["81 40670 1147551795.558494000 1147551803.915240000", FRACTION],
};

/** Those that do not end between two records. */
const FAILURES: Readonly<Record<string, string>> = {
  "gopacket/test901.pcapng": "byte 492: version 2 of pcapng, wanted 1",
  "ndpi/fuzz-2021-10-13.pcap": "byte 239: the file ends inside of a record",
};

function capturePaths(): string[] {
  return readdirSync(CAPTURES, { recursive: true, encoding: "utf8" })
    .filter((path) => /\.(pcap|pcapng|cap)$/.test(path))
    .sort();
}

/** What capinfos says of each file, in our form; it says nothing of those that it cannot read. */
function askCapinfos(paths: readonly string[], folder: string): ReadonlyMap<string, string> {
  // A table with commas, plain numbers, and these columns: packets, their lengths on the wire, times in seconds.
  const columns = ["-T", "-M", "-m", "-c", "-d", "-a", "-e", "-S"];
  const { stdout, error } = spawnSync("capinfos", [...columns, ...paths], {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 1 << 24,
  });
  assert.equal(error, undefined, "capinfos runs");
  const lines = stdout.trim().split("\n").slice(1);
  return new Map(
    lines.map((line) => {
      const [path, count, lengths, earliest, latest] = line.split(",") as [string, ...string[]];
      return [path, [count, lengths, ...[earliest, latest].map(inNanoseconds)].join(" ")];
    }),
  );
}

function inNanoseconds(time: string | undefined): string {
  const [seconds, fraction] = (time ?? "").split(".");
  return fraction === undefined ? "n/a" : `${seconds}.${fraction.padEnd(9, "0")}`;
}

interface Summary {
  readonly text: string;
  readonly failure: string | undefined;
}

function summarise(file: Uint8Array, pieceBytes: number): Summary {
  const reader = new CaptureReader();
  const times: (readonly [number, number])[] = [];
  let count = 0;
  let lengths = 0;
  let failure: string | undefined;
  try {
    for (let at = 0; at < file.length; at += pieceBytes) {
      reader.push(file.subarray(at, at + pieceBytes));
      while (reader.next()) {
        count++;
        lengths += reader.record.originalBytes;
        if (reader.record.isTimed) times.push([reader.record.seconds, reader.record.nanoseconds]);
      }
    }
    failure = reader.end()?.message;
  } catch (error) {
    if (!(error instanceof MalformedCaptureError)) throw error;
    failure = error.message;
  }
  times.sort(([a, b], [c, d]) => a - c || b - d);
  // As capinfos does: one packet without a time, and it says none at all.
  const ends = times.length === count && count > 0 ? [times[0], times.at(-1)] : [];
  const [earliest = "n/a", latest = "n/a"] = ends.map(
    (time) => `${time?.[0]}.${String(time?.[1]).padStart(9, "0")}`,
  );
  return { text: [count, lengths, earliest, latest].join(" "), failure };
}

describe("every capture at hand", { skip }, () => {
  test("CaptureReader finds the packets, lengths and times that capinfos finds, but for what is named", (context) => {
    const paths = capturePaths();
    assert.ok(paths.length > 1000, `${paths.length} captures`);
    const theirs = askCapinfos(paths, CAPTURES);
    const different: Record<string, string> = {};
    const failures: Record<string, string> = {};
    for (const path of paths) {
      const { text, failure } = summarise(readFileSync(join(CAPTURES, path)), 1 << 20);
      if (text !== theirs.get(path)) different[path] = text;
      if (failure !== undefined) failures[path] = failure.replace("Cannot read capture: ", "");
    }
    const named = Object.entries(DIFFERENCES).map(([path, [text]]) => [path, text]);
    assert.deepEqual(different, Object.fromEntries(named));
    assert.deepEqual(failures, FAILURES);
    context.diagnostic(`${paths.length} captures, ${named.length} of them with a named difference`);
  });

  test("CaptureReader finds the same in pieces of 1 to 997 bytes", () => {
    for (const [index, path] of capturePaths().entries()) {
      const file = readFileSync(join(CAPTURES, path));
      const whole = summarise(file, file.length);
      assert.deepEqual(summarise(file, 1 + ((index * 31) % 997)), whole, path);
    }
  });
});

test("capinfos finds in what PcapWriter and PcapngWriter write what CaptureReader finds", () => {
  const classic = new PcapWriter({ linkType: 1, timeUnit: "microseconds" });
  const fine = new PcapWriter({ linkType: 101 });
  const next = new PcapngWriter({ application: "a test", comment: "of three packets" });
  next.addInterface({ linkType: 1, name: "lan", snapLengthBytes: 5 });
  next.addInterface({ linkType: 1 });
  for (const [index, seconds] of [1_700_000_000, 1_700_000_001, 2_000_000_000].entries()) {
    const record = { seconds, nanoseconds: 987_654_321, originalBytes: 60 + index, offset: 1 };
    const packet = { ...record, capturedBytes: 3 + index, bytes: new Uint8Array(8).fill(0x45) };
    classic.write(packet);
    fine.write(packet);
    next.write(packet, index % 2, index === 1 ? "the second" : undefined);
  }
  const folder = mkdtempSync(join(tmpdir(), "mn-capinfos-"));
  try {
    const files = { "a.pcap": classic.take(), "b.pcap": fine.take(), "c.pcapng": next.take() };
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    const theirs = askCapinfos(Object.keys(files), folder);
    assert.equal(theirs.get("c.pcapng"), "3 183 1700000000.987654321 2000000000.987654321");
    for (const [name, bytes] of Object.entries(files)) {
      assert.equal(theirs.get(name), summarise(bytes, 7).text, name);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
