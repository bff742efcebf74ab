/**
 * What a file that calls itself a capture holds, given in pieces of any size.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseHex } from "#base/hex.ts";
import { FrameStart, findStart } from "#packet/link-type.ts";
import { CaptureReader } from "#wire/capture.ts";
import { MalformedCaptureError } from "#wire/capture-record.ts";
import { corpusOf, main, spoiledBytes, type Target } from "./target.ts";

const corpus = corpusOf("pcap").map(parseHex);
/** So small that spoiled lengths are above it now and then. */
const RECORD_BYTES_MAX = 300;

interface Pieces {
  readonly file: Uint8Array;
  readonly pieceBytes: number;
}

/** What the reader says of a file: each packet, and how it ends. */
function readAll({ file, pieceBytes }: Pieces): string[] {
  const reader = new CaptureReader({ recordBytesMax: RECORD_BYTES_MAX });
  const start = new FrameStart();
  const said: string[] = [];
  try {
    for (let at = 0; at < file.length; at += pieceBytes) {
      reader.push(file.slice(at, at + pieceBytes));
      while (reader.next()) {
        const { bytes, offset, capturedBytes, seconds, nanoseconds, interfaceId, linkType } = reader.record;
        assert.ok(capturedBytes <= RECORD_BYTES_MAX && offset + capturedBytes <= bytes.length);
        assert.ok(Number.isInteger(seconds) && Number.isInteger(nanoseconds));
        assert.ok(nanoseconds >= 0 && nanoseconds < 1e9);
        assert.equal(reader.interfaces[interfaceId]?.linkType, linkType);
        assert.ok(findStart(reader.record, start).offsetBytes <= capturedBytes);
        said.push(
          `${seconds} ${nanoseconds} ${interfaceId} ${bytes.subarray(offset, offset + capturedBytes)}`,
        );
      }
    }
    said.push(String(reader.end()?.message));
  } catch (error) {
    if (!(error instanceof MalformedCaptureError)) throw error;
    assert.ok(error.fileOffset >= 0 && error.fileOffset <= file.length);
    assert.throws(() => reader.next(), { message: error.message });
    said.push(error.message);
  }
  return said;
}

export const pcap: Target<Pieces> = {
  name: "pcap",
  invariant:
    "packets lie in the file, errors are typed and say where, and the size of the pieces changes nothing",
  corpus: corpus.map((file) => ({ file, pieceBytes: 1 })),
  inputs: fc.record({ file: spoiledBytes(corpus), pieceBytes: fc.integer({ min: 1, max: 200 }) }),
  testRounds: 1000,
  check({ file, pieceBytes }) {
    assert.deepEqual(readAll({ file, pieceBytes }), readAll({ file, pieceBytes: file.length }));
  },
};

if (import.meta.main) await main(pcap);
