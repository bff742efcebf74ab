/**
 * Ours over a pcap file, as the other engines beside this file do it: both directions of every TCP connection put
 * together and read in a callback that counts. One line of JSON.
 *
 *     ours.ts FILE verify|trust|read FLOWS_AT_ONCE [warm]
 *
 * `read` only reads the file. `warm` measures another engine over the file after a million packets, when the compiler has
 * seen all it needs.
 * @module
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { exit } from "node:process";
import { SeededRandom } from "#base/seeded-random.ts";
import { summableMemory } from "#base/summable-memory.ts";
import { FlowEngine } from "#flow/engine.ts";
import { CaptureReader } from "#wire/capture.ts";
import type { CaptureRecord } from "#wire/capture-record.ts";

/** What is read at once: most of it is still in the processor's cache when its checksums are summed. */
const CHUNK_BYTES = 1024 * 1024;
/** What the compiler is shown before `warm` measures, as far as engines are there for it. */
const WARM_PACKETS = 1_000_000;
const WARM_ENGINES = 5;

interface Counted {
  bytes: number;
  flows: number;
}

interface Engine {
  handle(record: CaptureRecord): void;
}

const [path = "", mode = "", flowCountMax = "", warm = ""] = process.argv.slice(2);
if (!(path !== "" && /^(verify|trust|read)$/.test(mode) && Number(flowCountMax) > 0)) exit(2);

const counted: Counted = { bytes: 0, flows: 0 };
// All are made before one runs: a second one is news to the compiler, which a monitor that runs on has none of.
const earlier = Array.from({ length: warm === "warm" ? WARM_ENGINES : 0 }, makeEngine);
const engine = makeEngine();
for (let seen = 0; seen < WARM_PACKETS && earlier.length > 0; ) {
  seen += measure(path, earlier.pop() as Engine).packets;
}
counted.bytes = 0;
counted.flows = 0;
const figures = measure(path, engine);
process.stdout.write(`${JSON.stringify({ ...figures, ...counted })}\n`);

/** Like the other engines it follows TCP only; the language of filters looks behind a tag only where it is told of one. */
function makeEngine(): Engine {
  if (mode === "read") return { handle: () => undefined };
  const made = new FlowEngine({
    random: new SeededRandom(1),
    policy: { checksums: mode === "verify" ? "verify" : "trust" },
    limits: { flowCountMax: Number(flowCountMax) },
  });
  const monitor = made.monitor({ filter: "tcp or (vlan and tcp)" });
  monitor.on("connectionStart", "sender", () => {
    counted.flows++;
  });
  monitor.on("newData", "none", (flow, { sender }) => {
    const end = flow.end(sender);
    for (let piece = end.read(); piece !== undefined; piece = end.read()) {
      counted.bytes += piece.bytes?.length ?? 0;
    }
  });
  return made;
}

function measure(
  file: string,
  engine: Engine,
): Readonly<Record<string, number>> & { readonly packets: number } {
  const descriptor = openSync(file, "r");
  const halfBytes = fstatSync(descriptor).size / 2;
  const chunk = summableMemory(CHUNK_BYTES);
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
  closeSync(descriptor);
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
