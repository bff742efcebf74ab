import assert from "node:assert/strict";
import { after, test } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { seconds } from "#base/time.ts";
import { icmp } from "#packet/icmp.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import type { AttachType } from "#script/compiler/target.ts";
import { packetOf } from "../packet/test-world.ts";
import { type EtherType, inBothKernels, KernelWorld } from "./test-world.ts";

const SEED = Number(process.env.EXAMPLES_SEED ?? 20_261_122);
const COUNT = 400;

const EXAMPLES: readonly [file: string, functions: Readonly<Record<string, AttachType>>][] = [
  ["nat.ts", { leave: "tcx-egress", enter: "tcx-ingress" }],
  ["tunnel.ts", { pack: "tcx-egress", unpack: "tcx-ingress" }],
  ["load-balancer.ts", { balance: "tcx-ingress", restore: "tcx-egress" }],
  ["dns-guard.ts", { guard: "netfilter" }],
  ["syn-guard.ts", { guard: "netfilter" }],
  ["knocking.ts", { knock: "netfilter" }],
  ["accounting.ts", { upward: "netfilter", downward: "netfilter" }],
];

const QUESTION = Uint8Array.of(0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 97, 100, 115, 0, 0, 1, 0, 1);

/** What at least one of the examples looks at, in both directions. */
const PACKETS = [
  ...["192.0.2.1", "192.0.2.80", "192.0.2.53"].flatMap((outside) =>
    [
      { source: "10.0.0.2", destination: outside },
      { source: outside, destination: "10.0.0.2" },
      { source: "10.91.2.11", destination: "10.0.0.2" },
    ].flatMap((ends) => [
      packetOf(ipv4.header(ends), tcp.header({ sourcePort: 4000, destinationPort: 22, syn: true }), "hello"),
      packetOf(ipv4.header(ends), tcp.header({ sourcePort: 22, destinationPort: 4000, ack: true }), "hello"),
      packetOf(ipv4.header(ends), udp.header({ sourcePort: 16_384, destinationPort: 53 }), QUESTION),
      packetOf(ipv4.header(ends), udp.header({ sourcePort: 53, destinationPort: 16_384 }), QUESTION),
      packetOf(ipv4.header(ends), udp.header({ sourcePort: 9, destinationPort: 7001 }), "x"),
      packetOf(ipv4.header(ends), icmp.header({ type: 8, identifier: 16_384 }), "x"),
      packetOf(ipv4.header(ends), icmp.header({ type: 0, identifier: 16_384 }), "x"),
    ]),
  ),
  packetOf(ipv4.header({ source: "10.0.0.2", destination: "10.92.0.1" }), udp.header({}), "x"),
  packetOf(
    ipv4.header({ source: "198.51.100.7", destination: "192.0.2.1" }),
    ipv4.header({}),
    udp.header({}),
    "x",
  ),
  packetOf(ipv6.header({ source: 1n << 100n, destination: 2n }), tcp.header({ syn: true }), "x"),
  packetOf(
    ipv6.header({ source: 1n << 100n, destination: 2n }),
    udp.header({ destinationPort: 53 }),
    QUESTION,
  ),
];

/** One of them, cut, longer, and with bytes that were changed where the headers are. */
function hostile(random: SeededRandom): { readonly bytes: Uint8Array; readonly etherType: EtherType } {
  const packet = PACKETS[random.below(PACKETS.length)] ?? assert.fail();
  const whole = packet.toBytes();
  // Netfilter's hooks are behind the kernel's own look at the header and its version.
  const least = packet.etherType === 0x0800 ? 20 : 40;
  const length = random.below(4) > 0 ? whole.length : least + random.below(whole.length - least + 8);
  const bytes = new Uint8Array(length);
  bytes.set(whole.subarray(0, length));
  for (let changes = random.below(4); changes > 0; changes--) {
    const at = random.below(Math.min(length, 64));
    bytes[at] = at === 0 ? ((bytes[0] ?? 0) & 0xf0) | random.below(16) : random.below(256);
  }
  return { bytes, etherType: packet.etherType as EtherType };
}

inBothKernels(`hostile packets (EXAMPLES_SEED=${SEED})`, (kernel) => {
  const worlds: KernelWorld[] = [];
  after(() => {
    for (const world of worlds) world.close();
  });

  for (const [file, functions] of EXAMPLES) {
    test(`${file} makes of ${COUNT} hostile packets what it makes of them as plain TypeScript`, async () => {
      const random = new SeededRandom(SEED);
      const world = await KernelWorld.load(kernel, file, functions);
      worlds.push(world);
      for (let index = 0; index < COUNT; index++) {
        if (index % 50 === 0) {
          world.chance = random.word();
          await world.wait(seconds(random.below(8)));
        }
        const { bytes, etherType } = hostile(random);
        for (const name of Object.keys(functions)) {
          const told = `packet ${index}, ${name}: ${Buffer.from(bytes).toString("hex")}`;
          await world.giveBytes(name, bytes, etherType).catch((error: Error) => {
            throw new Error(`${told}: ${error.message}`, { cause: error });
          });
        }
      }
    });
  }
});
