/**
 * A program that tries one way of queueing packets and says why not: started by `kernel-features.ts` in a
 * network namespace of its own, which is gone afterwards.
 *
 *     node packet-queue-probe.ts packets|bridge|conntrack
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { ip } from "#base/ip-address.ts";
import { PacketVerdict } from "#io/packet-queue.ts";
import { native } from "./native.ts";
import { LinuxPacketQueue } from "./packet-queue.ts";
import { LinuxQueueRules } from "./queue-rules.ts";
import { encodeSockaddrIn } from "./socket-address.ts";
import { AF_INET, SOCK_DGRAM } from "./socket-constants.ts";

const QUEUE = 1;
const PORT = 9;
/** How long the packet may take. */
const WAIT_MILLISECONDS_MAX = 2000;

const RULE = { name: "probe", index: 0, queueNumber: QUEUE, bypass: false } as const;

/** Sends a packet through a queue and waits for it. */
async function passPacket(rules: LinuxQueueRules): Promise<void> {
  execFileSync("ip", ["link", "set", "lo", "up"]);
  const queue = new LinuxPacketQueue({ queueNumber: QUEUE });
  await rules.load({ ...RULE, family: "inet", hook: "input", match: `udp dport ${PORT}` });
  const { socket, send } = native();
  const fd = socket(AF_INET, SOCK_DGRAM, 0);
  await new Promise<void>((resolve, reject) => {
    const late = () => reject(new Error("the packet did not come to its queue"));
    const timer = setTimeout(late, WAIT_MILLISECONDS_MAX);
    queue.start((batch) => {
      batch.verdict.fill(PacketVerdict.drop);
      clearTimeout(timer);
      resolve();
    });
    send(fd, new Uint8Array(1), 0, encodeSockaddrIn(ip("127.0.0.1"), PORT));
  });
  queue.close();
}

async function main(what: string | undefined): Promise<void> {
  if (what === "conntrack") {
    new LinuxPacketQueue({ queueNumber: QUEUE, conntrack: true }).close();
    return;
  }
  const rules = new LinuxQueueRules();
  if (what === "bridge") await rules.load({ ...RULE, family: "bridge", hook: "forward" });
  else await passPacket(rules);
  rules.close();
}

try {
  await main(process.argv[2]);
} catch (error) {
  // The first sentence says what was seen; what to do about it stands with the feature.
  const [seen] = String(error instanceof Error ? error.message : error).split(". ");
  process.stderr.write(`${seen}\n`);
  process.exitCode = 1;
}
