/**
 * One member of a fan-out group, in a thread of its own: counts the packets of each flow, whichever way they go, and
 * tells when it is asked.
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { milliseconds } from "#base/time.ts";
import { LinuxPacketCapture } from "#linux/packet-ring.ts";
import { eachPacket } from "./frame-lab.ts";

const { device, group } = workerData as { device: string; group: number };
const capture = new LinuxPacketCapture({
  interface: device,
  blockTimeout: milliseconds(2),
  fanout: { group, mode: "hash" },
});
const flows: Record<string, number> = {};
capture.start(
  eachPacket(({ bytes, offset, packetType }) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
    if (view.getUint16(12) !== 0x0800) return;
    const ends = [26, 30].map((at, end) => `${view.getUint32(at)}:${view.getUint16(34 + 2 * end)}`);
    const flow = `${view.getUint8(23)} ${ends.sort().join(" ")}`;
    // Which way counts too: the two ways of a flow must not come apart.
    flows[flow] = (flows[flow] ?? 0) | (packetType === 4 ? 2 : 1);
  }),
);
parentPort?.on("message", (question) => {
  if (question === "end") process.exit(0);
  parentPort?.postMessage(flows);
});
parentPort?.postMessage("ready");
