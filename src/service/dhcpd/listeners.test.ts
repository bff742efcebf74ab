import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ip, prefix } from "#base/ip-address.ts";
import { hours, milliseconds, minutes, seconds } from "#base/time.ts";
import { change, reject, stop } from "#mailbox/verdict.ts";
import { choice, DhcpWorld, type Heard } from "../../../test/support/dhcp-world.ts";

const seen = (heard: Heard | undefined): string => (heard ? `${heard.type} ${heard.address}` : "silence");

describe("/dhcpd/lookup", () => {
  it("/dhcpd/lookup tells listeners who asks, for what, and from where", async () => {
    const world = await new DhcpWorld().start();
    const lookups: object[] = [];
    await world.bus.prepend("/dhcpd/lookup", "witness", (lookup) => {
      lookups.push(lookup.toObject());
    });
    const client = world.client(1);
    await client.ask("discover", {
      xid: 7,
      options: {
        "host-name": "phone",
        "vendor-class": "udhcp",
        "parameter-request-list": [1, 3],
        "relay-agent-information": Uint8Array.of(1, 1, 65, 2, 2, 66, 67),
        "requested-address": ip("10.77.0.102"),
      },
    });
    assert.deepEqual(lookups, [
      {
        xid: 7,
        chaddr: client.mac,
        client: "hw:1:02000000aa01",
        kind: "discover",
        interface: "lan0",
        requested: ip("10.77.0.102"),
        hostname: "phone",
        parameters: [1, 3],
        "vendor-class": "udhcp",
        "circuit-id": Uint8Array.of(65),
        "remote-id": Uint8Array.of(66, 67),
        subnet: prefix("10.77.0.0/24"),
        tentative: true,
      },
    ]);
  });

  it("a listener that answers and stops decides the address, its lease time and options", async () => {
    const world = await new DhcpWorld().start();
    await world.bus.prepend("/dhcpd/lookup", "ldap", async (lookup) => {
      await world.bus.send("/dhcpd/lookup-response", {
        xid: lookup.get("xid")!,
        address: ip("10.77.0.50"),
        "lease-time": hours(2),
        "domain-name": "staff.example",
      });
      return stop;
    });
    const ack = await world.client(1).join();
    assert.equal(seen(ack), "ack 10.77.0.50");
    assert.equal(ack?.option("lease-time"), hours(2));
    assert.equal(ack?.option("domain-name"), "staff.example");
    assert.equal(world.count("lookup-by-listener"), 2);
  });

  it("a listener may change the address and leave the answer to the pool's listener", async () => {
    const world = await new DhcpWorld().start();
    await world.bus.prepend("/dhcpd/lookup", "table", () => change({ set: { address: ip("10.77.0.51") } }));
    assert.equal(seen(await world.client(1).join()), "ack 10.77.0.51");
  });

  it("the paper's form: stop, look up, send lookup-response later", async () => {
    const world = await new DhcpWorld().start();
    await world.bus.prepend("/dhcpd/lookup", "ldap", (lookup) => {
      world.clock.after(milliseconds(5), () => {
        world.bus.post("/dhcpd/lookup-response", { xid: lookup.get("xid")!, address: ip("10.77.0.52") });
      });
      return stop;
    });
    assert.equal(seen(await world.client(1).join()), "ack 10.77.0.52");
    assert.equal(world.count("lookup-deadline"), 0);
  });

  it("the paper's form: nothing found, so the lookup is sent again with a marker", async () => {
    const world = await new DhcpWorld().start();
    await world.bus.prepend("/dhcpd/lookup", "ldap", (lookup) => {
      if (lookup.has("ldap-failed" as "xid")) return undefined;
      world.clock.after(milliseconds(5), () => {
        world.bus.post("/dhcpd/lookup", lookup.change({ add: { "ldap-failed": true } }));
      });
      return stop;
    });
    assert.equal(seen(await world.client(1).join()), "ack 10.77.0.100");
    assert.equal(world.count("lookup-by-pool"), 2);
    assert.equal(world.count("lookup-deadline"), 0);
  });

  const mute: [string, () => typeof stop | Promise<never>][] = [
    ["stops", () => stop],
    ["never settles its promise", () => new Promise(() => undefined)],
  ];
  for (const [what, verdict] of mute) {
    it(`a listener that ${what} and never answers leaves the address to the pool after 500 ms`, async () => {
      const world = await new DhcpWorld().start();
      await world.bus.prepend("/dhcpd/lookup", "mute", verdict);
      const client = world.client(1);
      assert.equal(seen(await client.ask("discover")), "silence");
      await world.clock.advance(milliseconds(480));
      assert.deepEqual(client.heard, []);
      await world.clock.advance(milliseconds(20));
      assert.deepEqual(client.heard.map(seen), ["offer 10.77.0.100"]);
      assert.equal(world.count("lookup-deadline"), 1);
    });
  }

  it("an answer that comes too late is counted and changes nothing", async () => {
    const world = await new DhcpWorld().start();
    await world.bus.prepend("/dhcpd/lookup", "late", (lookup) => {
      world.clock.after(milliseconds(600), () => {
        world.bus.post("/dhcpd/lookup-response", { xid: lookup.get("xid")!, address: ip("10.77.0.53") });
      });
      return stop;
    });
    const client = world.client(1);
    client.send("discover");
    await world.clock.advance(seconds(1));
    assert.deepEqual(client.heard.map(seen), ["offer 10.77.0.100"]);
    assert.equal(world.count("lookup-late-answer"), 1);
  });

  it("an answer reaches only the client it names, when two have the same transaction number", async () => {
    const world = await new DhcpWorld().start();
    await world.bus.prepend("/dhcpd/lookup", "slow", () => stop);
    const [one, two] = [world.client(1), world.client(2)];
    one.send("discover", { xid: 7 });
    two.send("discover", { xid: 7 });
    await world.settle();
    world.bus.send("/dhcpd/lookup-response", { xid: 7, chaddr: two.mac, address: ip("10.77.0.60") });
    await world.settle();
    assert.deepEqual([one.heard.map(seen), two.heard.map(seen)], [[], ["offer 10.77.0.60"]]);
  });

  const bad: [string, string][] = [
    ["outside of the subnet", "192.0.2.1"],
    ["the server's own", "10.77.0.1"],
    ["the broadcast address", "10.77.0.255"],
    ["leased to another client", "10.77.0.100"],
    ["quarantined", "10.77.0.101"],
  ];
  for (const [what, address] of bad) {
    it(`an answer that is ${what} is counted, logged, and the pool answers`, async () => {
      const world = await new DhcpWorld().start();
      await world.client(1).join();
      await world.client(2).join();
      await world.client(2).ask("decline", { options: { "requested-address": ip("10.77.0.101") } });
      await world.bus.prepend("/dhcpd/lookup", "wrong", (lookup) => {
        world.bus.send("/dhcpd/lookup-response", { xid: lookup.get("xid")!, address: ip(address) });
        return stop;
      });
      assert.equal(seen(await world.client(3).ask("discover")), "offer 10.77.0.102");
      assert.equal(world.count("lookup-bad-answer"), 1);
      assert.match(world.logged.at(-1) ?? "", /cannot be given/);
    });
  }

  it("a client that the directory moved gets a NAK for its old address, then the new one, and the old one is free", async () => {
    const world = await new DhcpWorld().start();
    const client = world.client(1);
    await client.join();
    await world.bus.prepend("/dhcpd/lookup", "ldap", () => change({ set: { address: ip("10.77.0.54") } }));
    const reboot = { options: { "requested-address": ip("10.77.0.100") } };
    assert.equal(seen(await client.ask("request", reboot)), "nak 0.0.0.0");
    assert.equal(seen(await client.join()), "ack 10.77.0.54");
    const leases = await world.bus.call("/dhcpd/leases", {});
    assert.deepEqual(leases.get("state"), ["bound", "released"]);
    await world.bus.detach({ to: "/dhcpd/lookup", label: "ldap" });
    await world.crash();
    await world.start();
    assert.deepEqual((await world.bus.call("/dhcpd/leases", {})).get("state"), ["bound", "released"]);
  });

  it("a listener that rejects refuses the client: silence for a DISCOVER, a NAK with its reason for a REQUEST", async () => {
    const world = await new DhcpWorld().start();
    const client = world.client(1);
    const offer = await client.ask("discover");
    await world.bus.prepend("/dhcpd/lookup", "policy", () => reject("not paid"));
    assert.equal(seen(await client.ask("discover")), "silence");
    assert.equal(world.count("dropped-by-listener"), 1);
    const nak = await client.ask("request", { options: choice(offer!) });
    assert.equal(nak?.type, "nak");
    assert.equal(nak?.option("message"), "not paid");
  });

  it("a listener that throws is passed over", async () => {
    const world = await new DhcpWorld().start();
    await world.bus.prepend("/dhcpd/lookup", "broken", () => {
      throw new Error("broken");
    });
    assert.equal(seen(await world.client(1).join()), "ack 10.77.0.100");
  });
});

describe("the other decisions", () => {
  it("/dhcpd/offer and /dhcpd/commit let options be set, changed and taken away, with their types", async () => {
    const world = await new DhcpWorld().start();
    for (const path of ["/dhcpd/offer", "/dhcpd/commit"] as const) {
      await world.bus.append(path, "options", () =>
        change({
          set: {
            "domain-name-servers": [ip("9.9.9.9"), ip("1.1.1.1")],
            "option-224": Uint8Array.of(1, 2),
            "lease-time": minutes(3),
          },
          remove: ["domain-name"],
        }),
      );
    }
    const ack = await world.client(1).join({ "parameter-request-list": [1, 3, 15] });
    assert.deepEqual(ack?.option("domain-name-servers"), [ip("9.9.9.9"), ip("1.1.1.1")]);
    assert.deepEqual(ack?.option("option-224"), Uint8Array.of(1, 2));
    assert.equal(ack?.option("domain-name"), undefined);
    assert.equal(ack?.option("lease-time"), minutes(3));
    assert.equal(ack?.option("broadcast-address"), undefined, "not asked for");
  });

  it("/dhcpd/reply has the last word, on NAKs as well, and of a value that does not fit the former stays", async () => {
    const world = await new DhcpWorld().start();
    await world.bus.append("/dhcpd/reply", "last", (reply) =>
      reply.get("type") === "nak"
        ? change({ set: { message: "go away" } })
        : change({ set: { "domain-name": 5, routers: [ip("10.77.0.2")] } }),
    );
    const offer = await world.client(1).ask("discover");
    assert.deepEqual(offer?.option("routers"), [ip("10.77.0.2")]);
    assert.equal(offer?.option("domain-name"), "lab.example");
    assert.equal(world.count("listener-bad-option"), 1);
    const nak = await world.client(1).ask("request", { options: { "requested-address": ip("192.0.2.1") } });
    assert.equal(nak?.option("message"), "go away");
  });

  it("/dhcpd/commit refuses with a NAK when rejected, and nothing is kept", async () => {
    const world = await new DhcpWorld().start();
    await world.bus.append("/dhcpd/commit", "policy", async () => reject("no more today"));
    const nak = await world.client(1).join();
    assert.equal(nak?.option("message"), "no more today");
    assert.equal(world.disk.table("lease").size, 0);
  });

  it("/dhcpd/renew is asked for renewals, and /dhcpd/commit is not", async () => {
    const world = await new DhcpWorld().start();
    const asked: string[] = [];
    for (const path of ["/dhcpd/commit", "/dhcpd/renew"] as const) {
      await world.bus.observe(path, "witness", (_message, { mailbox }) => asked.push(mailbox));
    }
    await world.client(1).join();
    await world.client(1).ask("request", { ciaddr: "10.77.0.100" });
    assert.deepEqual(asked, ["/dhcpd/commit", "/dhcpd/renew"]);
  });

  it("/dhcpd/renew that is rejected ends the lease with a NAK, and the address is free", async () => {
    const world = await new DhcpWorld().start();
    await world.client(1).join();
    await world.bus.append("/dhcpd/renew", "policy", () => reject("time is up"));
    const nak = await world.client(1).ask("request", { ciaddr: "10.77.0.100" });
    assert.equal(nak?.option("message"), "time is up");
    assert.deepEqual((await world.bus.call("/dhcpd/leases", {})).get("state"), ["released"]);
  });

  it("/dhcpd/classify puts clients in classes that later messages carry", async () => {
    const world = await new DhcpWorld().start();
    await world.bus.append("/dhcpd/classify", "vendor", (asked) =>
      asked.get("vendor-class") === "udhcp" ? change({ add: { class: "busybox" } }) : undefined,
    );
    const classes: unknown[] = [];
    await world.bus.observe("/dhcpd/reply", "witness", (reply) => classes.push(reply.all("class")));
    await world.client(1).ask("discover", { options: { "vendor-class": "udhcp" } });
    await world.client(2).ask("discover");
    assert.deepEqual(classes, [["busybox"], []]);
  });

  it("/dhcpd/subnet moves a client to another configured subnet, and drops it for an unknown one", async () => {
    const guest = {
      interface: "lan0",
      server: ip("10.99.0.1"),
      subnet: prefix("10.99.0.0/24"),
      pool: [{ first: ip("10.99.0.10"), last: ip("10.99.0.20") }],
    };
    const world = await new DhcpWorld({ more: [guest] }).start();
    await world.bus.append("/dhcpd/subnet", "guests", (asked) =>
      change({ set: { subnet: prefix(asked.get("hostname") === "guest" ? "10.99.0.0/24" : "10.1.0.0/16") } }),
    );
    const offer = await world.client(1).ask("discover", { options: { "host-name": "guest" } });
    assert.equal(seen(offer), "offer 10.99.0.10");
    assert.deepEqual(offer?.option("server-identifier"), ip("10.99.0.1"));
    assert.equal(seen(await world.client(2).ask("discover")), "silence");
    assert.equal(world.count("dropped-no-subnet"), 1);
  });

  it("/dhcpd/packet shows the bytes, and a listener may drop them", async () => {
    const world = await new DhcpWorld().start();
    let sizeBytes = 0;
    await world.bus.append("/dhcpd/packet", "filter", (packet) => {
      sizeBytes = packet.get("payload")?.length ?? 0;
      return stop;
    });
    assert.equal(seen(await world.client(1).ask("discover")), "silence");
    assert.equal(sizeBytes, 300);
    assert.equal(world.count("dropped-by-listener"), 1);
  });

  it("/dhcpd/release and /dhcpd/decline may be disbelieved; /dhcpd/expire tells what ended", async () => {
    const world = await new DhcpWorld().start();
    const client = world.client(1);
    await client.join();
    for (const path of ["/dhcpd/release", "/dhcpd/decline"] as const) {
      await world.bus.append(path, "doubt", () => stop);
    }
    const ended: unknown[] = [];
    await world.bus.observe("/dhcpd/expire", "witness", (lease) => ended.push(lease.toObject()));
    await client.ask("release", { ciaddr: "10.77.0.100" });
    await client.ask("decline", { options: { "requested-address": ip("10.77.0.100") } });
    assert.deepEqual((await world.bus.call("/dhcpd/leases", {})).get("state"), ["bound"]);
    await world.clock.advance(minutes(11));
    assert.deepEqual(ended, [
      { address: ip("10.77.0.100"), client: "hw:1:02000000aa01", chaddr: client.mac },
    ]);
  });

  it("a decision nobody listens to still counts as a message", async () => {
    const world = await new DhcpWorld().start();
    await world.client(1).ask("discover");
    const counted = ["/dhcpd/packet", "/dhcpd/lookup", "/dhcpd/offer", "/dhcpd/reply", "/dhcpd/commit"].map(
      (path) => world.bus.open(path).statistics.messages,
    );
    assert.deepEqual(counted, [1, 1, 1, 1, 0]);
  });
});
