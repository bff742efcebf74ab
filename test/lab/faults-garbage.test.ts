/**
 * Garbage against the whole running gateway: from clients, at the Unix sockets, and from the command line. Nobody
 * crashes, everything is counted or refused with a typed error, and clients are served meanwhile.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { seconds } from "#base/time.ts";
import { CLIENTS } from "../../src/app/lab/address-plan.ts";
import { DhcpClient } from "../../src/app/lab/dhcp-client.ts";
import { fetchPage } from "../../src/app/lab/portal-visit.ts";
import { labProblem } from "./dhcp-lab.ts";
import { click, eventually, FaultsWorld, PORTAL, SERVICES, SITE } from "./faults-world.ts";
import { RUDENESS, rude } from "./raw-peer.ts";

const skip = labProblem("nft", "udhcpc", "dhclient", "curl", "dnsmasq");

let world: FaultsWorld;
let pids: number[] = [];

before(async () => {
  if (skip) return;
  world = new FaultsWorld();
  await world.build();
  await world.up();
  await new DhcpClient(world.client(2), "dhclient").start();
  pids = SERVICES.map((name) => world.pid(name));
});

after(() => world?.close());

/** Nobody had to be started again. */
function assertSamePids(): void {
  assert.deepEqual(
    SERVICES.map((name) => world.pid(name)),
    pids,
  );
}

test("a client gets its lease and logs in while another floods the gateway with garbage", {
  skip,
}, async () => {
  const program = join(import.meta.dirname, "garbage-client.ts");
  const args = [program, PORTAL.host, String(PORTAL.port)];
  const flood = await world.client(2).start("garbage", process.execPath, args);
  await flood.line(/flooding/, seconds(5));
  await new DhcpClient(world.client(1), "udhcpc").start(seconds(8));
  assert.equal((await click(world.client(1))).status, 303);
  assert.equal((await fetchPage(world.client(1), SITE)).status, 200);
  const counted = async (): Promise<boolean> => {
    for (const name of ["http-malformed", "http-hostless", "http-too-large"])
      if (!((await world.statistic("portald", name)) > 0)) return false;
    return (await world.statistic("dhcpd", "malformed-short")) > 100;
  };
  await eventually(5000, counted);
  await flood.stop();
  assertSamePids();
  const { sessions, permitted } = await world.doors();
  assert.deepEqual([sessions, permitted], [[CLIENTS[0].mac], [CLIENTS[0].mac]]);
});

describe("a service's Unix socket", { skip }, () => {
  for (const service of SERVICES) {
    for (const [what, speech] of Object.entries(RUDENESS)) {
      test(`${service} hangs up on ${what}, and answers others meanwhile`, async () => {
        const end = rude(join(world.place.run, service), speech, 5000);
        assert.ok(await world.ask(`${service}:/sys/statistics`));
        assert.equal(await end, true);
        assert.ok(await world.ask(`${service}:/sys/statistics`));
        assertSamePids();
      });
    }
  }
});

const CALLS: readonly [words: readonly string[], code: number, says: RegExp][] = [
  [["firewall:/firewall/permit", "mac:text=me", "address=10.77.0.9"], 7, /mac/],
  [["firewall:/firewall/permit", "address=10.77.0.9"], 7, /mac/],
  [["firewall:/firewall/permit", "mac=02:00:00:00:00:01", "address:uint=7"], 7, /address/],
  [["firewall:/firewall/permit", "mac=02:00:00:00:00:01", "address=192.0.2.9"], 1, /192\.0\.2\.9/],
  [["firewall:/firewall/nothing"], 3, /\/firewall\/nothing/],
  [["dhcpd:/dhcpd/leases", "limit:text=many"], 7, /limit/],
  [["dhcpd:/dhcpd/lookup", "xid:text=one"], 7, /xid/],
  [["portald:/portald/login", "mac=02:00:00:00:00:01", "address:text=here"], 7, /address/],
  [["portald:/portald/sessions", "after:uint=1"], 7, /after/],
  [["nobody:/nobody/home"], 3, /nobody/],
];

describe("metanet call with what the mailbox does not take", { skip }, () => {
  for (const [words, code, says] of CALLS) {
    test(`metanet call ${words.join(" ")} exits with ${code}`, async () => {
      const seen = await world.metanet(["call", ...words]);
      assert.equal(seen.code, code, seen.stderr);
      assert.match(seen.stderr, /^metanet: Cannot /);
      assert.match(seen.stderr, says);
    });
  }

  test("and nothing has come of it", async () => {
    assertSamePids();
    assert.deepEqual((await world.doors()).permitted, [CLIENTS[0].mac]);
  });
});
