import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { minutes } from "#base/time.ts";
import { formatIpv4 } from "#packet/address.ts";
import { icmp } from "#packet/icmp.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import { packetOf } from "../packet/test-world.ts";
import { type Answer, inBothKernels, KernelWorld } from "./test-world.ts";

const CLIENT = "10.1.2.3";
const SERVER = "198.51.100.7";
const PUBLIC = "192.0.2.1";
const PORT_FIRST = 16_384;

/** Source and destination as text, with ports or the echo's identifier. */
function ends({ packet }: Answer): [string, string] {
  const ip = packet.payload(ipv4);
  const ports = ip?.payload(tcp) ?? ip?.payload(udp);
  const echo = ip?.payload(icmp);
  return [
    `${formatIpv4(ip?.source ?? 0)}:${ports?.sourcePort ?? echo?.identifier}`,
    `${formatIpv4(ip?.destination ?? 0)}:${ports?.destinationPort ?? echo?.identifier}`,
  ];
}

const there = (source = CLIENT) => ipv4.header({ source, destination: SERVER });
const back = ipv4.header({ source: SERVER, destination: PUBLIC });

inBothKernels("nat", (kernel) => {
  let world: KernelWorld;
  before(async () => {
    world = await KernelWorld.load(kernel, "nat.ts", { leave: "tcx-egress", enter: "tcx-ingress" });
  });
  after(() => world.close());

  for (const [what, given, answer] of [
    [
      "TCP",
      tcp.header({ sourcePort: 40_000, destinationPort: 80, syn: true }),
      (port: number) => tcp.header({ sourcePort: 80, destinationPort: port, syn: true, ack: true }),
    ],
    [
      "UDP",
      udp.header({ sourcePort: 40_000, destinationPort: 53 }),
      (port: number) => udp.header({ sourcePort: 53, destinationPort: port }),
    ],
    [
      "an echo",
      icmp.header({ type: 8, identifier: 40_000, sequence: 1 }),
      (port: number) => icmp.header({ type: 0, identifier: port, sequence: 1 }),
    ],
  ] as const) {
    test(`leave() gives ${what} the public address and a port, and enter() brings the answer back`, async () => {
      const out = await world.give("leave", packetOf(there(), given, "hello"));
      assert.equal(out.verdict, "continue");
      assert.equal(ends(out)[0], `${PUBLIC}:${PORT_FIRST}`);
      const came = await world.give("enter", packetOf(back, answer(PORT_FIRST), "hello, too"));
      assert.equal(came.verdict, "continue");
      assert.equal(ends(came)[1], `${CLIENT}:40000`);
      // The second packet has the same port.
      assert.equal(ends(await world.give("leave", packetOf(there(), given)))[0], `${PUBLIC}:${PORT_FIRST}`);
    });
  }

  test("leave() tries another port when one is taken, and gives up after eight", async () => {
    const source = "10.1.2.4";
    const seen = [];
    for (let index = 0; index < 8; index++) {
      const given = udp.header({ sourcePort: 1000 + index, destinationPort: 53 });
      const answer = await world.give("leave", packetOf(there(source), given));
      seen.push(answer.verdict === "drop" ? "drop" : ends(answer)[0]);
    }
    const ports = [1, 2, 3, 4, 5, 6, 7].map((more) => `${PUBLIC}:${PORT_FIRST + more}`);
    assert.deepEqual(seen, [...ports, "drop"]);
    assert.equal(world.counter("leave", "no free port"), 1);
    world.chance = 2 ** 32 - 1;
    const other = udp.header({ sourcePort: 1007, destinationPort: 53 });
    assert.equal(ends(await world.give("leave", packetOf(there(source), other)))[0], `${PUBLIC}:32767`);
    world.chance = 0;
  });

  test("leave() drops what it has no way back for", async () => {
    const refused: [counter: string, packet: ReturnType<typeof packetOf>][] = [
      ["fragments", packetOf(ipv4.header({ source: CLIENT, moreFragments: true }), udp.header({}), "hello")],
      ["fragments", packetOf(ipv4.header({ source: CLIENT, fragmentOffset: 185 }), "hello")],
      ["other protocols", packetOf(ipv4.header({ source: CLIENT, protocol: 47 }), "hello")],
      ["other protocols", packetOf(there(), icmp.header({ type: 13 }))],
    ];
    for (const [counter, packet] of refused) {
      const before = world.counter("leave", counter);
      assert.equal((await world.give("leave", packet)).verdict, "drop");
      assert.equal(world.counter("leave", counter), before + 1);
    }
  });

  test("leave() and enter() leave alone what is not theirs", async () => {
    const own = packetOf(
      ipv4.header({ source: PUBLIC, destination: SERVER }),
      udp.header({ sourcePort: 68 }),
    );
    assert.equal(ends(await world.give("leave", own))[0], `${PUBLIC}:68`);
    for (const header of [
      tcp.header({ destinationPort: 22, syn: true }),
      udp.header({ destinationPort: 53 }),
      icmp.header({ type: 0, identifier: 9 }),
      icmp.header({ type: 8, identifier: PORT_FIRST }),
    ]) {
      const came = await world.give("enter", packetOf(back, header));
      assert.equal(came.verdict, "continue");
      assert.match(ends(came)[1], /^192\.0\.2\.1:/);
    }
    const six = packetOf(ipv6.header({ source: 1n, destination: 2n }), udp.header({}), "x");
    assert.equal((await world.give("leave", six)).verdict, "continue");
    assert.equal((await world.give("enter", six)).verdict, "continue");
  });

  test("a port is given to somebody else half an hour after its last packet", async () => {
    const ask = udp.header({ sourcePort: 40_000, destinationPort: 53 });
    await world.wait(minutes(20));
    await world.give("leave", packetOf(there(), ask));
    await world.wait(minutes(20));
    const answer = packetOf(back, udp.header({ sourcePort: 53, destinationPort: PORT_FIRST }));
    assert.equal(ends(await world.give("enter", answer))[1], `${CLIENT}:40000`);
    await world.wait(minutes(30));
    assert.equal(ends(await world.give("enter", answer))[1], `${PUBLIC}:${PORT_FIRST}`);
    assert.equal(
      ends(await world.give("leave", packetOf(there("10.9.9.9"), ask)))[0],
      `${PUBLIC}:${PORT_FIRST}`,
    );
  });
});
