/**
 * A reader of a packet queue in a thread or a process of its own: accepts everything but holds what says so.
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { PacketVerdict } from "#io/packet-queue.ts";
import { LinuxPacketQueue } from "#linux/packet-queue.ts";
import { QUEUE, textOf } from "./packet-queue-lab.ts";

const options = (workerData as { descriptor: number } | null) ?? {};
const queue = new LinuxPacketQueue({ queueNumber: QUEUE, ...options });
queue.start((batch) => {
  for (let row = 0; row < batch.count; row++) {
    const isHeld = textOf(batch, row) === "hold";
    batch.verdict[row] = isHeld ? PacketVerdict.hold : PacketVerdict.accept;
  }
});
if (parentPort) parentPort.postMessage("ready");
else process.stdout.write("ready\n");
