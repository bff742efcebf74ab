import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { ip } from "#base/ip-address.ts";
import { LinuxBroadcastSocket, openBroadcastDescriptors } from "#linux/datagram.ts";
import { openSqliteStore } from "#linux/sqlite-store.ts";
import { DhcpLab, labProblem } from "./dhcp-lab.ts";
import { MassClients } from "./mass-clients.ts";

let lab: DhcpLab;
beforeEach(() => {
  lab = new DhcpLab();
});
afterEach(() => lab.remove());

const udhcpc = (...more: string[]): string[] => [
  "-i",
  "eth0",
  "-f",
  "-t",
  "5",
  "-T",
  "1",
  "-s",
  lab.script,
  ...more,
];
const dhclient = (...more: string[]): string[] => [
  ...["-d", "-4", "-lf", join(lab.folder, "dhclient.leases"), "-pf", join(lab.folder, "dhclient.pid")],
  ...["-sf", lab.script, "-cf", "/dev/null", ...more, "eth0"],
];

/** dhclient writes its lease down some time after it has called the script: only then does it remember. */
async function dhclientRemembers(address: string): Promise<void> {
  const file = join(lab.folder, "dhclient.leases");
  for (let look = 0; look < 100; look++) {
    if (existsSync(file) && readFileSync(file, "utf8").includes(`fixed-address ${address};`)) return;
    await pause(50);
  }
  assert.fail(`dhclient did not write ${address} down within 5 s`);
}

/** A client that gives its lease back waits for no answer. */
async function released(): Promise<void> {
  for (let look = 0; look < 100; look++) {
    if ((await lab.ask("leases")).state?.join() === "released") return;
    await pause(50);
  }
  assert.fail("the lease is not released after 5 s");
}

/** dhcpcd keeps its files in folders of the machine's; in a mount namespace of its own these are the test's. */
function dhcpcd(...more: string[]): string[] {
  const wrapper = join(lab.folder, "dhcpcd.sh");
  for (const name of ["lib", "run"]) mkdirSync(join(lab.folder, name), { recursive: true });
  writeFileSync(
    wrapper,
    `mount --bind ${lab.folder}/lib /var/lib/dhcpcd && mount --bind ${lab.folder}/run /run && mkdir -p /run/dhcpcd && exec dhcpcd "$@"\n`,
  );
  return [
    "--mount",
    "--propagation",
    "private",
    "sh",
    wrapper,
    "-B",
    "-4",
    "-A",
    "-f",
    "/dev/null",
    "-c",
    lab.script,
    ...more,
    "eth0",
  ];
}

describe("dhcpd with udhcpc", { skip: labProblem("udhcpc") }, () => {
  it("udhcpc gets a lease by unicast to its hardware address, renews it and gives it back", async () => {
    await lab.serve();
    const client = lab.client("udhcpc", ...udhcpc("-R", "-x", "hostname:phone"));
    await lab.event(/^bound 10\.77\.0\.100$/);
    const { hostname, chaddr } = await lab.ask("leases");
    assert.deepEqual([hostname, chaddr?.length], [["phone"], 1]);
    client.kill("SIGUSR1"); // renew now
    await lab.event(/^renew 10\.77\.0\.100$/);
    client.kill("SIGTERM"); // with -R: release
    await lab.event(/^deconfig/, 2);
    await released();
    assert.equal(await lab.count("received-release"), 1);
  });

  it("udhcpc that wants broadcast replies gets them", async () => {
    await lab.serve();
    assert.equal(await lab.runClient("udhcpc", ...udhcpc("-q", "-n", "-B")), 0);
    await lab.event(/^bound 10\.77\.0\.100$/);
  });

  it("udhcpc declines an address that is in use, and gets another; nobody gets the first", async () => {
    await lab.serve();
    lab.ip("server", "address", "add", "10.77.0.100/24", "dev", "eth0");
    assert.equal(await lab.runClient("udhcpc", ...udhcpc("-q", "-n", "-a", "-A", "1")), 0);
    await lab.event(/^bound 10\.77\.0\.101$/);
    assert.deepEqual((await lab.ask("leases")).state, ["declined", "bound"]);
  });

  it("udhcpc gets its lease in the middle of a flood of garbage", async () => {
    await lab.serve();
    const place = { interfaceName: "eth0", port: 6767 };
    const socket = lab.inside(
      "client",
      () =>
        new LinuxBroadcastSocket({
          ...place,
          address: ip("10.77.0.250"),
          descriptors: openBroadcastDescriptors(place),
        }),
    );
    const link = serverLink(lab);
    let garbageCount = 0;
    const flood = setInterval(() => {
      for (let copy = 0; copy < 20; copy++) {
        const size = (garbageCount++ * 37) % 1400;
        socket.sendToLink(
          Uint8Array.from({ length: size }, (_, index) => (index * garbageCount) & 0xff),
          {
            address: ip("255.255.255.255"),
            port: 67,
            link,
          },
        );
      }
    }, 2);
    try {
      await pause(300);
      assert.equal(await lab.runClient("udhcpc", ...udhcpc("-q", "-n")), 0);
    } finally {
      clearInterval(flood);
      socket.close();
    }
    assert.ok(garbageCount > 100);
    const counters = await lab.ask("statistics");
    const malformed = counters.counter!.map((name, index) =>
      name.startsWith("malformed") ? Number(counters.count![index]) : 0,
    );
    assert.ok(malformed.reduce((sum, count) => sum + count, 0) > 100);
  });
});

describe("dhcpd with a listener in another process", { skip: labProblem("udhcpc") }, () => {
  const onceOnly = (): string[] => udhcpc("-q", "-n", "-T", "3");
  const given = /^bound 10\.77\.0\.50$/;
  const pools = /^bound 10\.77\.0\.100$/;

  it("the listener decides the address; killed with -9, it leaves the next to the pool", async () => {
    await lab.serve({ run: lab.run });
    const listener = await lab.listen("10.77.0.50");
    assert.equal(await lab.runClient("udhcpc", ...onceOnly()), 0);
    await lab.event(given);
    assert.equal(await lab.count("lookup-by-listener"), 2);
    listener.kill("SIGKILL");
    lab.forgetAddresses();
    lab.ip("client", "link", "set", "eth0", "address", "02:00:00:00:bb:02");
    assert.equal(await lab.runClient("udhcpc", ...onceOnly()), 0);
    await lab.event(pools);
    assert.equal(await lab.count("lookup-by-pool"), 2);
  });

  const mute: [string, string, NodeJS.Signals | undefined][] = [
    ["never answers", "sleep", undefined],
    ["has been stopped (SIGSTOP)", "10.77.0.50", "SIGSTOP"],
  ];
  for (const [what, says, signal] of mute) {
    it(`a listener that ${what} leaves the address to the pool, in time for the client's first try`, async () => {
      await lab.serve({ run: lab.run });
      const listener = await lab.listen(says);
      if (signal) listener.kill(signal);
      assert.equal(await lab.runClient("udhcpc", ...onceOnly()), 0);
      await lab.event(pools);
      assert.equal(await lab.count("received-discover"), 1);
      assert.equal(await lab.count("lookup-by-pool"), 2);
    });
  }
});

describe("dhcpd with dhclient", { skip: labProblem("dhclient") }, () => {
  it("dhclient renews a short lease by itself, again and again", async () => {
    await lab.serve({ leaseMilliseconds: 3000 });
    lab.client("dhclient", ...dhclient());
    await lab.event(/^BOUND 10\.77\.0\.100$/);
    await lab.event(/^RENEW 10\.77\.0\.100$/, 2);
    assert.deepEqual((await lab.ask("leases")).state, ["bound"]);
    assert.equal(await lab.count("lease-expired"), 0);
  });

  it("dhclient that reboots with an old lease keeps its address, after the server was killed as well", async () => {
    await lab.serve();
    const first = lab.client("dhclient", ...dhclient());
    await lab.event(/^BOUND 10\.77\.0\.100$/);
    await dhclientRemembers("10.77.0.100");
    first.kill("SIGKILL");
    await lab.killServer();
    await lab.serve();
    lab.forgetAddresses();
    lab.client("dhclient", ...dhclient());
    await lab.event(/^REBOOT 10\.77\.0\.100$/);
    assert.equal(await lab.count("received-discover"), 0);
  });

  it("dhclient gets a NAK for its old address after the network moved, and a new one", async () => {
    await lab.serve();
    const first = lab.client("dhclient", ...dhclient());
    await lab.event(/^BOUND 10\.77\.0\.100$/);
    await dhclientRemembers("10.77.0.100");
    first.kill("SIGKILL");
    await lab.killServer();
    lab.ip("server", "address", "add", "10.78.0.1/24", "dev", "eth0");
    await lab.serve({ server: "10.78.0.1", subnet: "10.78.0.0/24", pool: ["10.78.0.50", "10.78.0.60"] });
    lab.forgetAddresses();
    lab.client("dhclient", ...dhclient());
    await lab.event(/^BOUND 10\.78\.0\.50$/);
    assert.equal(await lab.count("sent-nak"), 1);
  });

  it("dhclient -r gives the lease back", async () => {
    await lab.serve();
    lab.client("dhclient", ...dhclient());
    await lab.event(/^BOUND 10\.77\.0\.100$/);
    await dhclientRemembers("10.77.0.100");
    await lab.runClient("dhclient", ...dhclient("-r"));
    await lab.event(/^RELEASE/);
    await released();
  });
});

describe("dhcpd with dhcpcd", { skip: labProblem("dhcpcd", "unshare") }, () => {
  it("dhcpcd gets a lease, and the same again when it reboots", async () => {
    await lab.serve();
    const first = lab.client("unshare", ...dhcpcd());
    await lab.event(/^BOUND 10\.77\.0\.100$/);
    first.kill("SIGKILL");
    lab.forgetAddresses();
    lab.client("unshare", ...dhcpcd());
    await lab.event(/^(REBOOT|BOUND) 10\.77\.0\.100$/);
  });
});

describe("dhcpd killed with -9", { skip: labProblem() }, () => {
  it("every lease that was acknowledged is there after the restart, and its client keeps it", async () => {
    const pool = ["10.77.0.100", "10.77.0.254"] as [string, string];
    await lab.serve({ pool });
    const clients = lab.inside("client", () => new MassClients("eth0", 150));
    try {
      const killed = clients.whenAcknowledged(60).then(() => lab.killServer());
      clients.start();
      await killed;
      const acknowledged = new Map(clients.acknowledged);
      assert.ok(acknowledged.size >= 60);
      const store = openSqliteStore({ path: join(lab.folder, "leases.db") });
      const kept = new Map([...store.entries("lease")].map(([address, row]) => [address, String(row)]));
      await store.close();
      for (const [link, address] of acknowledged) {
        assert.ok(kept.get(address)?.includes(link.replaceAll(":", "")), `${address} of ${link}`);
      }
      await lab.serve({ pool });
      clients.renew();
      await clients.whenRenewed(acknowledged.size);
      assert.equal(await lab.count("sent-nak"), 0);
    } finally {
      clients.close();
    }
  });
});

function serverLink(from: DhcpLab) {
  return from.inside("server", () => {
    const place = { interfaceName: "eth0", port: 6768 };
    const socket = new LinuxBroadcastSocket({
      ...place,
      address: ip("10.77.0.1"),
      descriptors: openBroadcastDescriptors(place),
    });
    socket.close();
    return socket.link;
  });
}
