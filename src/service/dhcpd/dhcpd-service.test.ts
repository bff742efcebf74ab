import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IpAddress, ip, prefix } from "#base/ip-address.ts";
import { hours, minutes, seconds } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import { type Dhcp4Message, decodeDhcp4 } from "#wire/dhcp4.ts";
import { type Asked, choice, DhcpWorld, type Heard } from "../../../test/support/dhcp-world.ts";

const wants = (address: string): Record<string, Value> => ({ "requested-address": ip(address) });
const seen = (heard: Heard | undefined): string => (heard ? `${heard.type} ${heard.address}` : "silence");

describe("DhcpdService", () => {
  it("DhcpdService leases the pool's addresses in turn, with the options it was given", async () => {
    const world = await new DhcpWorld().start();
    const first = await world.client(1).join({ "host-name": "phone" });
    assert.equal(seen(first), "ack 10.77.0.100");
    assert.deepEqual(first?.option("routers"), [ip("10.77.0.1")]);
    assert.deepEqual(first?.option("domain-name-servers"), [ip("10.77.0.1")]);
    assert.equal(first?.option("domain-name"), "lab.example");
    assert.deepEqual(first?.option("subnet-mask"), ip("255.255.255.0"));
    assert.equal(first?.option("lease-time"), minutes(10));
    assert.equal(first?.option("renewal-time"), minutes(5));
    assert.equal(first?.option("rebinding-time"), seconds(525));
    assert.equal(seen(await world.client(2).join()), "ack 10.77.0.101");
  });

  it("DhcpdService sends the options a client lists, in its order, and what it cannot do without", async () => {
    const world = await new DhcpWorld().start();
    const offer = await world
      .client(1)
      .ask("discover", { options: { "parameter-request-list": [15, 3, 200] } });
    assert.deepEqual(
      offer?.message.options.map(({ code }) => code),
      [53, 54, 15, 3, 1, 51, 58, 59],
    );
  });

  it("DhcpdService acknowledges nothing before the disk has it, and has it after a crash", async () => {
    const world = await new DhcpWorld({ subnet: { lease: hours(1) } }).start();
    const ack = await world.client(1).join();
    assert.equal(seen(ack), "ack 10.77.0.100");
    const offer = await world.client(2).ask("discover");
    assert.ok(offer);
    const late = world.client(2);
    late.send("request", { options: choice(offer) });
    await world.clock.advance(seconds(0.001)); // the disk takes 2 ms
    assert.equal(world.count("received-request"), 2);
    await world.crash();
    assert.deepEqual(late.heard, []);
    await world.start();
    const again = await world.client(1).ask("request", { options: wants("10.77.0.100") });
    assert.equal(seen(again), "ack 10.77.0.100");
    const leases = await world.bus.call("/dhcpd/leases", {});
    assert.deepEqual(leases.get("address"), [ip("10.77.0.100")]);
  });

  it("DhcpdService is silent when the disk is full, and serves again when it is not", async () => {
    const world = await new DhcpWorld().start();
    world.disk.fault = "full";
    assert.equal(seen(await world.client(1).join()), "silence");
    assert.equal(world.count("dropped-store"), 1);
    world.disk.fault = undefined;
    assert.equal(seen(await world.client(1).join()), "ack 10.77.0.100");
  });

  it("DhcpdService passes over garbage, counts it, and serves on", async () => {
    const world = await new DhcpWorld().start();
    const client = world.client(1);
    for (const garbage of [new Uint8Array(0), new Uint8Array(240), new Uint8Array(1400).fill(255)]) {
      client.sendBytes(garbage);
    }
    client.send("ack");
    client.send("request");
    await world.settle();
    assert.equal(world.count("malformed-short"), 1);
    assert.equal(world.count("malformed-operation"), 2);
    assert.equal(world.count("ignored-type"), 1);
    assert.equal(world.count("ignored-fields"), 1);
    assert.equal(seen(await client.join()), "ack 10.77.0.100");
  });

  it("DhcpdService answers a repeated packet once while it is at it", async () => {
    const world = await new DhcpWorld().start();
    const client = world.client(1);
    const offer = await client.ask("discover");
    assert.ok(offer);
    client.send("request", { xid: 7, options: choice(offer) });
    const ack = await client.ask("request", { xid: 7, options: choice(offer) });
    assert.equal(seen(ack), "ack 10.77.0.100");
    assert.equal(client.heard.length, 1);
    assert.equal(world.count("dropped-duplicate"), 1);
  });

  it("DhcpdService gives released and expired addresses again, the longest free first, and their clients theirs", async () => {
    const world = await new DhcpWorld().start();
    const clients = [1, 2, 3, 4].map((number) => world.client(number));
    for (const client of clients) await client.join();
    assert.equal(seen(await world.client(9).join()), "silence");
    assert.equal(world.count("dropped-exhausted"), 1);
    await clients[2]?.ask("release", { ciaddr: "10.77.0.102" });
    await clients[0]?.ask("release", { ciaddr: "10.77.0.100" });
    assert.equal(seen(await clients[0]!.join()), "ack 10.77.0.100");
    assert.equal(seen(await world.client(9).join()), "ack 10.77.0.102");
    await world.clock.advance(minutes(11));
    assert.equal(world.count("lease-expired"), 4);
    assert.equal(seen(await clients[3]!.join()), "ack 10.77.0.103");
    assert.equal(seen(await clients[2]!.join()), "ack 10.77.0.101");
  });

  it("DhcpdService gives nobody an address that was declined, until its quarantine is over", async () => {
    const world = await new DhcpWorld().start();
    const client = world.client(1);
    await client.join();
    assert.equal(seen(await world.client(2).ask("decline", { options: wants("10.77.0.100") })), "silence");
    assert.equal(world.count("dropped-not-the-client"), 1);
    await client.ask("decline", { options: wants("10.77.0.100") });
    assert.equal(seen(await client.join(wants("10.77.0.100"))), "ack 10.77.0.101");
    await world.clock.advance(hours(1));
    assert.equal(seen(await world.client(3).join(wants("10.77.0.100"))), "ack 10.77.0.100");
  });

  it("DhcpdService answers INFORM with options and without a lease", async () => {
    const world = await new DhcpWorld().start();
    const client = world.client(1);
    const ack = await client.ask("inform", { ciaddr: "10.77.0.50" });
    assert.equal(ack, undefined, "unicast to an address this client does not have");
    assert.equal(world.count("sent-ack"), 1);
    const relayed = await client.ask("inform", { ciaddr: "10.77.0.50", broadcast: true });
    assert.equal(relayed, undefined);
    const leases = await world.bus.call("/dhcpd/leases", {});
    assert.deepEqual(leases.get("address"), []);
  });

  it("DhcpdService keeps a client's identifier apart from the hardware address", async () => {
    const world = await new DhcpWorld().start();
    const client = world.client(1);
    const id = { "client-id": Uint8Array.of(0, 1, 2) };
    const ack = await client.join(id);
    assert.equal(seen(ack), "ack 10.77.0.100");
    assert.deepEqual(ack?.option("client-id"), id["client-id"]); // RFC 6842
    assert.equal(seen(await client.join()), "ack 10.77.0.101");
    assert.equal(seen(await world.client(2).join(id)), "ack 10.77.0.100");
  });

  const leaseTimes: [string, number, number][] = [
    ["less than the least", seconds(5), minutes(1)],
    ["what it wants, in between", minutes(5), minutes(5)],
    ["no more than the most", hours(9), minutes(10)],
  ];
  for (const [what, wanted, given] of leaseTimes) {
    it(`DhcpdService gives a client that wants a lease of its own length ${what}`, async () => {
      const world = await new DhcpWorld().start();
      const ack = await world.client(1).join({ "lease-time": wanted });
      assert.equal(ack?.option("lease-time"), given);
    });
  }

  it("DhcpdService echoes relay agent information and picks the subnet by the relay, or by its link selection", async () => {
    const far = {
      interface: "lan1",
      server: ip("10.78.0.1"),
      subnet: prefix("10.78.0.0/16"),
      pool: [{ first: ip("10.78.1.0"), last: ip("10.78.1.9") }],
    };
    const world = await new DhcpWorld({ more: [far] }).start();
    const relayHost = world.segment.attach({ name: "relay", link: world.client(77).mac });
    relayHost.setAddress(ip("10.77.0.9"), prefix("10.77.0.0/24"));
    const heard: Dhcp4Message[] = [];
    relayHost.openBroadcastSocket(67).onDatagrams((batch) => {
      for (const { payload } of batch) {
        const message = decodeDhcp4(payload);
        if (message?.op === "reply") heard.push(message);
      }
    });
    const client = world.client(1);
    const rows: [Uint8Array, string][] = [
      [Uint8Array.of(1, 1, 65), "10.77.0.100"],
      [Uint8Array.of(1, 1, 65, 5, 4, 10, 78, 0, 0), "10.78.1.0"], // link selection (RFC 3527)
    ];
    for (const [relayed, address] of rows) {
      const options = { "relay-agent-information": relayed };
      await client.ask("discover", { giaddr: "10.77.0.9", options });
      const reply = heard.at(-1);
      assert.equal(String(IpAddress.fromUint32(reply?.yiaddr ?? 0)), address);
      assert.deepEqual(reply?.options.at(-1), { code: 82, data: relayed });
    }
    await client.ask("discover", { giaddr: "192.0.2.1" });
    assert.equal(world.count("dropped-no-subnet"), 1);
  });

  it("/dhcpd/leases lists leases in pages, by address and by state", async () => {
    const world = await new DhcpWorld().start();
    for (const number of [1, 2, 3]) await world.client(number).join({ "host-name": `host-${number}` });
    await world.client(2).ask("release", { ciaddr: "10.77.0.101" });
    const page = await world.bus.call("/dhcpd/leases", { limit: 2 });
    assert.deepEqual(page.get("address")?.map(String), ["10.77.0.100", "10.77.0.101"]);
    assert.deepEqual(page.get("state"), ["bound", "released"]);
    assert.deepEqual(page.get("hostname"), ["host-1", "host-2"]);
    assert.deepEqual(page.get("chaddr"), ["02:00:00:00:aa:01", "02:00:00:00:aa:02"]);
    const rest = await world.bus.call("/dhcpd/leases", { after: page.get("next") as IpAddress });
    assert.deepEqual(rest.get("address")?.map(String), ["10.77.0.102"]);
    assert.equal(rest.get("next"), undefined);
    const bound = await world.bus.call("/dhcpd/leases", { state: "bound" });
    assert.deepEqual(bound.get("client"), ["hw:1:02000000aa01", "hw:1:02000000aa03"]);
  });

  it("/dhcpd/statistics names every counter", async () => {
    const world = await new DhcpWorld().start();
    await world.client(1).join();
    const statistics = await world.bus.call("/dhcpd/statistics", {});
    const counts = new Map(
      statistics.get("counter")?.map((name, index) => [name, statistics.get("count")?.[index]]),
    );
    assert.equal(counts.get("sent-ack"), 1);
    assert.equal(counts.get("lookup-by-pool"), 2);
    assert.equal(counts.get("sent-nak"), 0);
  });

  it("stop() lets go of the port and answers nothing any more", async () => {
    const world = await new DhcpWorld().start();
    await world.crash();
    assert.equal(seen(await world.client(1).ask("discover")), "silence");
    await world.start();
    assert.equal(seen(await world.client(1).ask("discover")), "offer 10.77.0.100");
  });
});

describe("DHCPREQUEST (RFC 2131 table 4)", () => {
  const server = { "server-identifier": ip("10.77.0.1") };
  const other = { "server-identifier": ip("10.77.0.2") };
  const own = wants("10.77.0.100");
  // Client 1 has 10.77.0.100; client 2 is unknown.
  type Row = [what: string, isAlone: boolean, who: number, asked: Asked, heard: string];
  const rows: Row[] = [
    ["INIT-REBOOT with its own address", false, 1, { options: own }, "ack 10.77.0.100"],
    [
      "INIT-REBOOT with another address than its own",
      false,
      1,
      { options: wants("10.77.0.101") },
      "nak 0.0.0.0",
    ],
    ["INIT-REBOOT on the wrong network", false, 2, { options: wants("192.0.2.7") }, "nak 0.0.0.0"],
    ["INIT-REBOOT of an unknown client", false, 2, { options: wants("10.77.0.101") }, "silence"],
    ["INIT-REBOOT of an unknown client", true, 2, { options: wants("10.77.0.101") }, "ack 10.77.0.101"],
    ["INIT-REBOOT with another's address", true, 2, { options: own }, "nak 0.0.0.0"],
    ["INIT-REBOOT outside of the pool", true, 2, { options: wants("10.77.0.7") }, "nak 0.0.0.0"],
    [
      "SELECTING an offer of before a restart",
      false,
      2,
      { options: { ...wants("10.77.0.102"), ...server } },
      "ack 10.77.0.102",
    ],
    ["SELECTING another's address", false, 2, { options: { ...own, ...server } }, "nak 0.0.0.0"],
    ["SELECTING another server", true, 2, { options: { ...wants("10.77.0.102"), ...other } }, "silence"],
    ["RENEWING another's address", false, 2, { ciaddr: "10.77.0.100" }, "nak 0.0.0.0"],
    ["RENEWING an unknown lease", false, 2, { ciaddr: "10.77.0.101" }, "silence"],
    ["RENEWING from another network", false, 2, { ciaddr: "192.0.2.7" }, "nak 0.0.0.0"],
  ];
  for (const [what, authoritative, who, asked, heard] of rows) {
    it(`${what}, the server being ${authoritative ? "alone" : "one of several"}: ${heard}`, async () => {
      const world = await new DhcpWorld({ subnet: { authoritative } }).start();
      assert.equal(seen(await world.client(1).join()), "ack 10.77.0.100");
      assert.equal(seen(await world.client(who).ask("request", asked)), heard);
    });
  }

  it("RENEWING prolongs the lease from now", async () => {
    const world = await new DhcpWorld().start();
    const client = world.client(1);
    await client.join();
    for (let round = 0; round < 4; round++) {
      await world.clock.advance(minutes(6));
      await client.ask("request", { ciaddr: "10.77.0.100" });
      assert.equal(world.count("sent-ack"), 2 + round);
    }
    assert.equal(world.count("lease-expired"), 0);
    await world.clock.advance(minutes(11));
    assert.equal(world.count("lease-expired"), 1);
  });

  it("SELECTING another server gives our offer back at once", async () => {
    const world = await new DhcpWorld({
      subnet: { pool: [{ first: ip("10.77.0.100"), last: ip("10.77.0.100") }] },
    }).start();
    const offer = await world.client(1).ask("discover");
    assert.equal(seen(offer), "offer 10.77.0.100");
    assert.equal(seen(await world.client(2).ask("discover")), "silence");
    await world.client(1).ask("request", { options: { ...choice(offer!), ...other } });
    assert.equal(seen(await world.client(2).ask("discover")), "offer 10.77.0.100");
  });

  it("an offer nobody takes is given back when its hold is over", async () => {
    const world = await new DhcpWorld({
      subnet: { pool: [{ first: ip("10.77.0.100"), last: ip("10.77.0.100") }] },
    }).start();
    await world.client(1).ask("discover");
    await world.clock.advance(seconds(29));
    assert.equal(seen(await world.client(2).ask("discover")), "silence");
    await world.clock.advance(seconds(1));
    assert.equal(seen(await world.client(2).ask("discover")), "offer 10.77.0.100");
    assert.equal(world.count("offer-expired"), 1);
  });
});
