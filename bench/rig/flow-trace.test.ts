import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { checksumOf, sumWords } from "#base/checksum.ts";
import { CaptureReader } from "#wire/capture.ts";
import { generateTrace, makeTrace, type TraceName } from "./flow-trace.ts";

/** Where IP begins, behind Ethernet and perhaps a VLAN tag. */
function networkOf(view: DataView): { readonly at: number; readonly version: number } {
  const at = view.getUint16(12) === 0x8100 ? 18 : 14;
  return { at, version: view.getUint8(at) >> 4 };
}

/** The transport's checksum, which is 0 when the one in the packet is right. */
function transportChecksum(view: DataView): number {
  const { at, version } = networkOf(view);
  const isFourth = version === 4;
  const protocol = view.getUint8(at + (isFourth ? 9 : 6));
  const header = isFourth ? 20 : 40;
  const length = isFourth ? view.getUint16(at + 2) - header : view.getUint16(at + 4);
  const addresses = isFourth ? sumWords(view, at + 12, 8) : sumWords(view, at + 8, 32);
  const pseudo = protocol === 1 ? 0 : addresses + protocol + length;
  return checksumOf(pseudo + sumWords(view, at + header, length));
}

interface Stream {
  initial: number;
  readonly bytes: Map<number, number>;
}

/** Puts TCP over IPv4 without a tag together, byte by byte: slow and beyond doubt. */
function streamsOf(name: TraceName, flowCount: number): Map<string, Stream> {
  const streams = new Map<string, Stream>();
  generateTrace(name, flowCount, (bytes, lengthBytes) => {
    const view = new DataView(bytes.buffer, 0, lengthBytes);
    const key = [...bytes.subarray(26, 38)].join(".");
    const sequence = view.getUint32(38);
    const isSyn = (view.getUint8(47) & 2) !== 0;
    const stream = streams.get(key) ?? { initial: sequence + 1, bytes: new Map() };
    if (isSyn) streams.set(key, stream);
    const offset = (sequence - stream.initial) >>> 0;
    const end = 14 + view.getUint16(16);
    for (let at = 54; at < end; at++) {
      const place = offset + at - 54;
      assert.equal(stream.bytes.get(place) ?? view.getUint8(at), view.getUint8(at), "the same bytes again");
      stream.bytes.set(place, view.getUint8(at));
    }
  });
  return streams;
}

describe("generateTrace()", () => {
  test("generateTrace() makes 39 packets and 29,400 bytes of each reference flow", () => {
    let frames = 0;
    const truth = generateTrace("reference", 50, () => frames++);
    const frameBytes = 50 * (39 * 54 + 29_400);
    assert.deepEqual(truth, {
      packets: 50 * 39,
      frameBytes,
      flows: 50,
      bytes: 50 * 29_400,
      ipv4Bytes: 50 * 29_400,
    });
    assert.equal(frames, truth.packets);
  });

  for (const name of ["reference", "small", "disorder", "many", "synflood", "mix"] as const) {
    test(`generateTrace() gives every packet of ${name} right checksums, and the same packets again`, () => {
      const digests = [1, 2].map(() => {
        const hash = createHash("sha256");
        generateTrace(name, 200, (bytes, lengthBytes) => {
          const view = new DataView(bytes.buffer, 0, lengthBytes);
          const { at, version } = networkOf(view);
          if (version === 4) assert.equal(checksumOf(sumWords(view, at, 20)), 0);
          assert.equal(transportChecksum(view), 0);
          hash.update(bytes.subarray(0, lengthBytes));
        });
        return hash.digest("hex");
      });
      assert.equal(digests[0], digests[1]);
    });
  }

  for (const name of ["reference", "small", "disorder", "many"] as const) {
    test(`generateTrace() leaves no hole in the streams of ${name}, and counts their bytes`, () => {
      const streams = [...streamsOf(name, 100).values()];
      for (const { bytes } of streams) {
        if (bytes.size > 0) assert.equal(Math.max(...bytes.keys()), bytes.size - 1);
      }
      const total = streams.reduce((sum, { bytes }) => sum + bytes.size, 0);
      assert.equal(total, generateTrace(name, 100, () => undefined).bytes);
      assert.equal(streams.length, 200);
    });
  }

  test("generateTrace() makes frames of 64 bytes at most of small flows", () => {
    const lengths = new Set<number>();
    generateTrace("small", 10, (_bytes, lengthBytes) => lengths.add(lengthBytes));
    assert.deepEqual([...lengths].sort(), [60, 64]);
  });

  test("generateTrace() has late and repeated segments in a disordered trace", () => {
    let late = 0;
    let again = 0;
    const ends = new Map<string, number>();
    generateTrace("disorder", 500, (bytes, lengthBytes) => {
      if (lengthBytes !== 1514) return;
      const view = new DataView(bytes.buffer, 0, lengthBytes);
      const key = [...bytes.subarray(26, 38)].join(".");
      const sequence = view.getUint32(38);
      const end = ends.get(key);
      if (end !== undefined && (sequence - end) >> 0 > 0) late++;
      if (end !== undefined && (sequence - end) >> 0 < 0) again++;
      if (end === undefined || (sequence - end) >> 0 >= 0) ends.set(key, (sequence + 1460) >>> 0);
    });
    assert.ok(late > 100 && again > 100, `${late} beyond a hole, ${again} behind`);
  });
});

test("makeTrace() writes a capture once and finds it the second time", () => {
  const folder = mkdtempSync(join(tmpdir(), "metanet-flow-trace-"));
  try {
    const trace = makeTrace("mix", 50, folder);
    const reader = new CaptureReader();
    reader.push(readFileSync(trace.path));
    let packets = 0;
    let frameBytes = 0;
    for (; reader.next(); packets++) frameBytes += reader.record.capturedBytes;
    assert.equal(reader.end(), undefined);
    assert.deepEqual([packets, frameBytes], [trace.packets, trace.frameBytes]);
    utimesSync(trace.path, 1, 1);
    assert.deepEqual(makeTrace("mix", 50, folder), trace);
    assert.equal(statSync(trace.path).mtimeMs, 1000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
