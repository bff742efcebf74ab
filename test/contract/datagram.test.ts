/**
 * What every BroadcastSocket promises, run on a veth pair between two namespaces and on the simulated segment.
 * @module
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { ip, prefix } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { milliseconds } from "#base/time.ts";
import { encodeUtf8 } from "#base/utf8.ts";
import { BATCH_COUNT_MAX, type BroadcastSocket, DATAGRAM_BYTES_MAX, type Datagram } from "#io/datagram.ts";
import { LinuxBroadcastSocket, openBroadcastDescriptors } from "#linux/datagram.ts";
import type { SystemCallError } from "#linux/system-error.ts";
import { SimClock } from "#sim/clock.ts";
import { SimSegment } from "#sim/segment.ts";
import { VethPair, vethProblem } from "./veth-pair.ts";

const SERVER_ADDRESS = ip("10.99.0.1");
const CLIENT_ADDRESS = ip("10.99.0.2");
const SUBNET_BROADCAST = ip("10.99.0.255");
const EVERYONE = ip("255.255.255.255");
const SERVER_PORT = 67;
const CLIENT_PORT = 68;

/** Two hosts on one segment; the server has an address from the start, the client when it is given one. */
interface World {
  openServer(): BroadcastSocket;
  openClient(): BroadcastSocket;
  setClientAddress(present: boolean): void;
  /** Resolves when the predicate holds, or after two seconds of the world's time. */
  until(holds: () => boolean): Promise<void>;
  remove(): void;
}

function linuxWorld(): World {
  const pair = new VethPair();
  pair.ip(pair.server, "address", "add", `${SERVER_ADDRESS}/24`, "broadcast", "+", "dev", "eth0");
  const open = (side: string, address: typeof SERVER_ADDRESS, port: number): BroadcastSocket =>
    pair.inside(side, () => {
      const place = { interfaceName: "eth0", port };
      const descriptors = openBroadcastDescriptors(place);
      return new LinuxBroadcastSocket({ ...place, address, descriptors });
    });
  return {
    openServer: () => open(pair.server, SERVER_ADDRESS, SERVER_PORT),
    openClient: () => open(pair.client, CLIENT_ADDRESS, CLIENT_PORT),
    setClientAddress: (present) => {
      if (!present) pair.ip(pair.client, "address", "flush", "dev", "eth0");
      else
        pair.ip(pair.client, "address", "replace", `${CLIENT_ADDRESS}/24`, "broadcast", "+", "dev", "eth0");
    },
    until: async (holds) => {
      const end = Date.now() + 2000;
      while (!holds() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 2));
    },
    remove: () => pair.remove(),
  };
}

function simWorld(): World {
  const clock = new SimClock();
  const segment = new SimSegment({ clock, delay: milliseconds(1) });
  const server = segment.attach({ name: "eth0", link: mac("02:00:00:00:00:01") });
  const client = segment.attach({ name: "eth0", link: mac("02:00:00:00:00:02") });
  server.setAddress(SERVER_ADDRESS, prefix("10.99.0.0/24"));
  return {
    openServer: () => server.openBroadcastSocket(SERVER_PORT),
    openClient: () => client.openBroadcastSocket(CLIENT_PORT),
    setClientAddress: (present) =>
      present ? client.setAddress(CLIENT_ADDRESS, prefix("10.99.0.0/24")) : client.setAddress(undefined),
    until: async (holds) => {
      for (let step = 0; step < 2000 && !holds(); step++) await clock.advance(milliseconds(1));
    },
    remove: () => {},
  };
}

/** Collects what a socket receives. */
class Inbox {
  readonly batches: (readonly Datagram[])[] = [];

  constructor(socket: BroadcastSocket) {
    socket.onDatagrams((batch) => this.batches.push(batch));
  }

  get datagrams(): Datagram[] {
    return this.batches.flat();
  }

  get texts(): string[] {
    return this.datagrams.map(({ payload }) => Buffer.from(payload).toString());
  }
}

const worlds: [string, () => World, string | undefined][] = [
  ["LinuxBroadcastSocket", linuxWorld, vethProblem()],
  ["SimBroadcastSocket", simWorld, undefined],
];

for (const [name, makeWorld, problem] of worlds) {
  describe(`${name} as a BroadcastSocket`, { skip: problem ?? false }, () => {
    let world: World;
    let open: BroadcastSocket[] = [];
    const opened = (socket: BroadcastSocket): BroadcastSocket => {
      open.push(socket);
      return socket;
    };
    before(() => {
      world = makeWorld();
    });
    after(() => world.remove());
    afterEach(() => {
      for (const socket of open) socket.close();
      open = [];
    });

    const targets: [string, typeof EVERYONE, boolean][] = [
      ["255.255.255.255", EVERYONE, true],
      ["the subnet's broadcast address", SUBNET_BROADCAST, true],
      ["the client's own address", CLIENT_ADDRESS, true],
      ["255.255.255.255 while the client has no address", EVERYONE, false],
    ];
    for (const [what, address, clientHasAddress] of targets) {
      it(`send() reaches the client at ${what}`, async () => {
        world.setClientAddress(clientHasAddress);
        const server = opened(world.openServer());
        const inbox = new Inbox(opened(world.openClient()));
        server.send(encodeUtf8("offer"), { address, port: CLIENT_PORT });
        await world.until(() => inbox.datagrams.length > 0);
        assert.deepEqual(inbox.texts, ["offer"]);
        const [datagram] = inbox.datagrams;
        assert.equal(String(datagram?.source.address), String(SERVER_ADDRESS));
        assert.equal(datagram?.source.port, SERVER_PORT);
        assert.equal(server.counters.sentCount, 1);
      });
    }

    it("send() of a client without an address carries the source 0.0.0.0", async () => {
      world.setClientAddress(false);
      const client = opened(world.openClient());
      const inbox = new Inbox(opened(world.openServer()));
      client.send(encodeUtf8("discover"), { address: EVERYONE, port: SERVER_PORT });
      await world.until(() => inbox.datagrams.length > 0);
      assert.equal(String(inbox.datagrams[0]?.source.address), "0.0.0.0");
    });

    it("sendToLink() reaches the hardware address, checksums and all, without ARP", async () => {
      world.setClientAddress(true);
      const server = opened(world.openServer());
      const client = opened(world.openClient());
      const inbox = new Inbox(client);
      for (const text of ["a", "odd", "even", ""]) {
        server.sendToLink(encodeUtf8(text), {
          address: CLIENT_ADDRESS,
          port: CLIENT_PORT,
          link: client.link,
        });
      }
      await world.until(() => inbox.datagrams.length === 4);
      assert.deepEqual(inbox.texts, ["a", "odd", "even", ""]);
      const { source } = inbox.datagrams[0] as Datagram;
      assert.deepEqual([String(source.address), source.port], [String(SERVER_ADDRESS), SERVER_PORT]);
    });

    it("sendToLink() to another hardware address does not arrive", async () => {
      world.setClientAddress(true);
      const server = opened(world.openServer());
      const inbox = new Inbox(opened(world.openClient()));
      const link = mac("02:00:00:99:99:99");
      server.sendToLink(encodeUtf8("for others"), { address: CLIENT_ADDRESS, port: CLIENT_PORT, link });
      server.send(encodeUtf8("for you"), { address: CLIENT_ADDRESS, port: CLIENT_PORT });
      await world.until(() => inbox.datagrams.length > 0);
      assert.deepEqual(inbox.texts, ["for you"]);
    });

    it("onDatagrams() gives batches of at most BATCH_COUNT_MAX, in order, each with its own bytes", async () => {
      world.setClientAddress(true);
      const server = opened(world.openServer());
      const inbox = new Inbox(opened(world.openClient()));
      const count = 3 * BATCH_COUNT_MAX + 5;
      for (let index = 0; index < count; index++) {
        server.send(encodeUtf8(`datagram ${index}`), { address: CLIENT_ADDRESS, port: CLIENT_PORT });
      }
      await world.until(() => inbox.datagrams.length === count);
      assert.deepEqual(
        inbox.texts,
        Array.from({ length: count }, (_, index) => `datagram ${index}`),
      );
      assert.ok(inbox.batches.every((batch) => batch.length >= 1 && batch.length <= BATCH_COUNT_MAX));
      assert.ok(inbox.batches.length < count / 4, `${inbox.batches.length} batches`);
    });

    it("onDatagrams() also gives what arrived before it was called", async () => {
      world.setClientAddress(true);
      const server = opened(world.openServer());
      const client = opened(world.openClient());
      server.send(encodeUtf8("early"), { address: CLIENT_ADDRESS, port: CLIENT_PORT });
      await world.until(() => server.counters.sentCount === 1);
      const inbox = new Inbox(client);
      await world.until(() => inbox.datagrams.length > 0);
      assert.deepEqual(inbox.texts, ["early"]);
    });

    it("send() carries a payload of DATAGRAM_BYTES_MAX and reports one byte more", async () => {
      world.setClientAddress(true);
      const server = opened(world.openServer());
      const inbox = new Inbox(opened(world.openClient()));
      const troubles: string[] = [];
      server.onTrouble((error) => troubles.push(error.code));
      const to = { address: CLIENT_ADDRESS, port: CLIENT_PORT };
      server.send(new Uint8Array(DATAGRAM_BYTES_MAX + 1), to);
      server.send(new Uint8Array(DATAGRAM_BYTES_MAX).fill(7), to);
      await world.until(() => inbox.datagrams.length > 0);
      assert.deepEqual(
        inbox.datagrams.map(({ payload }) => [payload.length, payload.at(-1)]),
        [[DATAGRAM_BYTES_MAX, 7]],
      );
      assert.deepEqual(troubles, ["limit-exceeded"]);
      assert.deepEqual([server.counters.sentCount, server.counters.unsentCount], [1, 1]);
    });

    it("close() inside the handler, twice, and send() afterwards are harmless", async () => {
      world.setClientAddress(true);
      const server = opened(world.openServer());
      const client = opened(world.openClient());
      let callCount = 0;
      client.onDatagrams(() => {
        callCount++;
        client.close();
        client.close();
        client.send(encodeUtf8("too late"), { address: SERVER_ADDRESS, port: SERVER_PORT });
      });
      server.send(encodeUtf8("one"), { address: CLIENT_ADDRESS, port: CLIENT_PORT });
      await world.until(() => callCount > 0);
      server.send(encodeUtf8("two"), { address: CLIENT_ADDRESS, port: CLIENT_PORT });
      await world.until(() => server.counters.sentCount === 2);
      assert.equal(callCount, 1);
      assert.equal(client.counters.unsentCount, 1);
    });

    it("a second socket on the same port of the same interface is refused", () => {
      opened(world.openServer());
      assert.throws(() => opened(world.openServer()), /Cannot open UDP port 67 on eth0/);
    });
  });
}

describe("openBroadcastDescriptors()", { skip: vethProblem() ?? false }, () => {
  it("openBroadcastDescriptors() names an interface that is not there, and leaves no descriptor open", () => {
    const place = { interfaceName: "nosuch0", port: SERVER_PORT };
    const refused = (error: unknown): boolean => (error as SystemCallError).errno === "ENODEV";
    assert.throws(() => openBroadcastDescriptors(place), refused);
  });
});
