/**
 * A thread with a device, to be ended in the middle.
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { LinuxTun } from "#linux/tun.ts";

new LinuxTun({ mode: "tun", name: String(workerData) }).start(() => undefined);
parentPort?.postMessage("ready");
