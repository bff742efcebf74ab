/**
 * The work of packet-ring.c with our capture: counts packets and bytes of an interface, anew at SIGUSR2, until SIGTERM.
 *
 *     node packet-ring-ours.ts INTERFACE RING-BYTES BLOCK-MS
 *
 * @module
 */
import { milliseconds } from "#base/time.ts";
import type { CapturedBatch } from "#io/captured-packet.ts";
import { LinuxPacketCapture } from "#linux/packet-ring.ts";

const [name = "", ringBytes = "", blockMilliseconds = ""] = process.argv.slice(2);
const capture = new LinuxPacketCapture({
  interface: name,
  ringBytes: Number(ringBytes),
  blockTimeout: milliseconds(Number(blockMilliseconds)),
});
let packets = 0;
let bytes = 0;

function count(batch: CapturedBatch): void {
  const { packet } = batch;
  while (batch.next()) {
    packets++;
    bytes += packet.capturedBytes;
  }
}

capture.start(count);
let began = process.cpuUsage();
let dropsBefore = 0;
process.on("SIGUSR2", () => {
  packets = 0;
  bytes = 0;
  dropsBefore = capture.statistics().droppedCount;
  began = process.cpuUsage();
  process.stdout.write("again\n");
});
process.on("SIGTERM", () => {
  const { user, system } = process.cpuUsage(began);
  const drops = capture.statistics().droppedCount - dropsBefore;
  process.stdout.write(`${JSON.stringify({ packets, bytes, drops, microseconds: user + system })}\n`);
  capture.close();
  process.exit(0);
});
process.stdout.write("ready\n");
