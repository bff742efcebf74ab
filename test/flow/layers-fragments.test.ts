/**
 * Fragments that were captured, against what tshark puts together: which frame completes a datagram, and its length.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { instant, seconds } from "#base/time.ts";
import { FragmentTable } from "#flow/fragment/fragment-table.ts";
import { LayerDecoder } from "#flow/layers/decode.ts";
import { Layers } from "#flow/layers/layers.ts";
import { FLOW_LIMITS } from "#flow/policy.ts";
import { CaptureReader } from "#wire/capture.ts";
import { CAPTURES, capturesSkipped } from "../support/captures.ts";

const hasTshark = spawnSync("tshark", ["--version"]).error === undefined;
const skip = capturesSkipped || (hasTshark ? false : "tshark is not there: apt-get install tshark");

/** Two files with many fragments, and how many datagrams they are. */
const FILES: readonly (readonly [path: string, datagramCount: number])[] = [
  ["ndpi/dnscrypt-v1-and-resolver-pings.pcap", 120],
  ["tcpdump/afs.pcap", 51],
];

/** Frame and length of data, for each datagram that becomes whole. */
function ownWholes(path: string): string[] {
  const decoder = new LayerDecoder({ tunnels: true, key: { vlan: true, tunnel: true } });
  const table = new FragmentTable({ policy: "linux", timeout: seconds(30), limits: FLOW_LIMITS });
  const layers = new Layers();
  const reader = new CaptureReader({ name: path });
  reader.push(readFileSync(join(CAPTURES, path)));
  const wholes: string[] = [];
  for (let number = 1; reader.next(); number++) {
    const { bytes, offset, capturedBytes, originalBytes, linkType, ...time } = reader.record;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    decoder.decode(layers, bytes, view, offset, capturedBytes, originalBytes, linkType);
    if (layers.problem !== "" || !layers.isFragment) continue;
    const now = instant(time.seconds * 1000 + time.nanoseconds / 1e6);
    const whole = table.add(layers, now);
    if (whole === undefined) continue;
    assert.ok(decoder.decodeWhole(layers, whole), "the datagram can be read");
    wholes.push(`${number} ${whole.lengthBytes - layers.networkHeaderBytes}`);
  }
  return wholes;
}

function theirWholes(path: string): string[] {
  const { stdout, error } = spawnSync(
    "tshark",
    [
      ...["-n", "-r", join(CAPTURES, path), "-o", "ip.defragment:TRUE", "-Y", "ip.reassembled.length"],
      ...["-T", "fields", "-E", "separator= ", "-e", "frame.number", "-e", "ip.reassembled.length"],
    ],
    { encoding: "utf8" },
  );
  assert.equal(error, undefined, "tshark runs");
  return stdout.trimEnd().split("\n");
}

describe("captured fragments", { skip }, () => {
  for (const [path, datagramCount] of FILES) {
    it(`FragmentTable puts the datagrams of ${path} together where tshark does`, () => {
      const wholes = ownWholes(path);
      assert.equal(wholes.length, datagramCount);
      assert.deepEqual(wholes, theirWholes(path));
    });
  }
});
