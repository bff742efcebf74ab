/**
 * Ours over a pcap file, as the other engines beside this file do it: both directions of every TCP connection put
 * together and read in a callback that counts. One line of JSON.
 *
 *     ours.ts FILE verify|trust|read FLOWS_AT_ONCE
 *
 * `read` only reads the file.
 * @module
 */
import { fstatSync, openSync, readSync } from "node:fs";
import { exit } from "node:process";
import { CaptureReader } from "#wire/capture.ts";
import type { CaptureRecord } from "#wire/capture-record.ts";

/** What is read at once: stays in the processor's cache from the copy to the checksum. */
const CHUNK_BYTES = 256 * 1024;

interface Counted {
  bytes: number;
  flows: number;
}

interface Engine {
  handle(record: CaptureRecord): void;
  close(): void;
}

const [path = "", mode = "", flowCountMax = ""] = process.argv.slice(2);
if (!(path !== "" && /^(verify|trust|read)$/.test(mode) && Number(flowCountMax) > 0)) exit(2);

const counted: Counted = { bytes: 0, flows: 0 };
const engine: Engine = { handle: () => undefined, close: () => undefined };
const figures = measure(path, engine);
process.stdout.write(`${JSON.stringify({ ...figures, ...counted })}\n`);

function measure(file: string, engine: Engine): Readonly<Record<string, number>> {
  const descriptor = openSync(file, "r");
  const halfBytes = fstatSync(descriptor).size / 2;
  const chunk = new Uint8Array(CHUNK_BYTES);
  const reader = new CaptureReader({ name: file });
  const rssStartBytes = process.memoryUsage.rss();
  let rssHalfBytes = 0;
  let readBytes = 0;
  let packets = 0;
  const before = process.cpuUsage();
  for (let got = readSync(descriptor, chunk); got > 0; got = readSync(descriptor, chunk)) {
    reader.push(got === CHUNK_BYTES ? chunk : chunk.subarray(0, got));
    packets += handleAll(reader, engine);
    readBytes += got;
    if (rssHalfBytes === 0 && readBytes >= halfBytes) rssHalfBytes = process.memoryUsage.rss();
  }
  const { user, system } = process.cpuUsage(before);
  const rssEndBytes = process.memoryUsage.rss();
  engine.close();
  return {
    packets,
    seconds: (user + system) / 1e6,
    systemSeconds: system / 1e6,
    maxRssBytes: process.resourceUsage().maxRSS * 1024,
    rssStartBytes,
    rssHalfBytes,
    rssEndBytes,
  };
}

function handleAll(reader: CaptureReader, engine: Engine): number {
  let packets = 0;
  while (reader.next()) {
    engine.handle(reader.record);
    packets++;
  }
  return packets;
}
