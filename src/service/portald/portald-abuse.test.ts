import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ip } from "#base/ip-address.ts";
import { hours, seconds } from "#base/time.ts";
import { change, reject } from "#mailbox/verdict.ts";
import { ALICE, type Answered, BOB, started, type World } from "../../../test/portal/world.ts";

describe("abuse and trouble", () => {
  type Attack = (world: World) => Promise<Answered>;
  const refused: Readonly<Record<string, [Attack, number, RegExp]>> = {
    "a login without a token": [
      (world) => world.ask(ALICE.address, "/login", { method: "POST" }),
      403,
      /did not come from your own visit/,
    ],
    "a login with a made-up token": [
      (world) => world.login(ALICE.address, { token: `zzzzzzz.${"0".repeat(32)}` }),
      403,
      /did not come from your own visit/,
    ],
    "a login with another client's token": [
      async (world) => world.login(ALICE.address, { token: await world.token(BOB.address) }),
      403,
      /did not come from your own visit/,
    ],
    "a login with a token for logging out": [
      async (world) => {
        await world.login(BOB.address);
        const token = await world.token(BOB.address, "/status");
        await world.ask(BOB.address, "/logout", { method: "POST", body: `token=${token}` });
        world.neighbours.add(ALICE.address, BOB.mac);
        return world.login(ALICE.address, { token });
      },
      403,
      /did not come from your own visit/,
    ],
    "a login with a token of an hour ago": [
      async (world) => {
        const token = await world.token(ALICE.address);
        await world.clock.advance(hours(1));
        return world.login(ALICE.address, { token });
      },
      403,
      /open for a long time/,
    ],
    "a login from an address without a MAC address": [
      (world) => world.ask(ip("192.0.2.77"), "/login", { method: "POST", body: "token=x" }),
      403,
      /cannot be seen on this network/,
    ],
    "a login while the firewall is away": [
      (world) => {
        world.firewall.isAway = true;
        return world.login(ALICE.address);
      },
      503,
      /cannot open the door at the moment/,
    ],
    "a login that a listener rejects": [
      (world) => {
        world.bus.append("/portald/authenticate", "guard", () => reject("members only <b>"));
        return world.login(ALICE.address);
      },
      403,
      /The login was refused: members only &lt;b&gt;/,
    ],
    "a login that a listener of `login` rejects": [
      (world) => {
        world.bus.append("/portald/login", "guard", () => reject("closed at night"));
        return world.login(ALICE.address);
      },
      403,
      /The login was refused: closed at night/,
    ],
    "a login when every session is taken": [
      async (world) => {
        await world.login(BOB.address);
        return world.login(ALICE.address);
      },
      503,
      /network is full/,
    ],
    "a request without Host": [
      (world) => world.ask(ALICE.address, "/", { host: undefined }),
      400,
      /no usable Host/,
    ],
    "a request with huge fields": [
      (world) => world.ask(ALICE.address, "/", { headers: [["X", "x".repeat(20_000)]] }),
      431,
      /too large/,
    ],
    "a page that is not there": [(world) => world.ask(ALICE.address, "/<script>"), 404, /no such page/],
    "a method that is not allowed": [
      (world) => world.ask(ALICE.address, "/status", { method: "DELETE" }),
      405,
      /no such page/,
    ],
  };
  for (const [what, [attack, status, words]] of Object.entries(refused)) {
    test(`${what} gets ${status} with words that help, and opens nothing`, async () => {
      const world = await started({ sessionCountMax: 1 });
      const reply = await attack(world);
      assert.equal(reply.status, status);
      assert.match(reply.text, words);
      assert.equal(world.isPermitted(ALICE.address), false);
      const { mac: open } = await world.call("/portald/sessions");
      assert.ok(!String(open).includes(String(ALICE.mac)));
    });
  }

  const injections: readonly [string, string][] = [
    ["javascript:alert(1)", "no scheme but http"],
    ["//evil.example/", "no scheme"],
    ["http://user:pw@evil.example/", "a user name"],
    ['http://a.example/"onmouseover="alert(1)', "a quote"],
    ["http://a.example/<script>", "a tag"],
    ["http://a.example/\r\nSet-Cookie: a=b", "a line break"],
    ["data:text/html,x", "data"],
  ];
  for (const [url, what] of injections) {
    test(`an address to go on to with ${what} is not linked: ${JSON.stringify(url)}`, async () => {
      const world = await started();
      const page = await world.ask(ALICE.address, `/login?url=${encodeURIComponent(url)}`);
      assert.doesNotMatch(page.text, /name="url"|evil|alert|<script>/);
      const reply = await world.login(ALICE.address, { url });
      assert.equal(reply.headers.get("location"), "/welcome");
      const welcome = await world.ask(ALICE.address, `/welcome?url=${encodeURIComponent(url)}`);
      assert.doesNotMatch(welcome.text, /evil|alert|<script>|Set-Cookie/);
    });
  }

  test("a session cannot be fixed: neither cookies nor addresses in a query decide who is who", async () => {
    const world = await started();
    const headers: [string, string][] = [
      ["Cookie", `mac=${BOB.mac}`],
      ["X-Forwarded-For", "10.77.0.101"],
    ];
    const token = await world.token(ALICE.address);
    const body = `token=${token}&mac=${BOB.mac}&address=${BOB.address}`;
    const reply = await world.ask(ALICE.address, "/login", { method: "POST", body, headers });
    assert.equal(reply.status, 303);
    assert.equal(reply.headers.has("set-cookie"), false);
    assert.deepEqual([world.isPermitted(ALICE.address), world.isPermitted(BOB.address)], [true, false]);
  });

  test("words of the operator, of listeners and of clients are text on the page", async () => {
    const world = await started({ title: "<i>Net</i>" });
    world.bus.append("/portald/page", "words", () =>
      change({ set: { heading: "<b>Hi</b>", notice: "<img src=x>", button: '"><script>' } }),
    );
    const { text } = await world.ask(ALICE.address, "/login");
    assert.match(text, /&lt;i&gt;Net&lt;\/i&gt;/);
    assert.match(text, /&lt;b&gt;Hi&lt;\/b&gt;/);
    assert.doesNotMatch(text, /<img|<script|<b>|<i>/);
  });

  test("a firewall that comes back is asked to shut out what a lost answer may have let in", async () => {
    const world = await started();
    world.firewall.isAway = true;
    assert.equal((await world.login(ALICE.address)).status, 503);
    world.firewall.permits.set("10.77.0.100", { ...ALICE, mark: 1, packets: 0, bytes: 0 });
    world.firewall.isAway = false;
    await world.clock.advance(seconds(10));
    assert.equal(world.isPermitted(ALICE.address), false);
  });

  test("a full disk does not keep anybody out, and is counted", async () => {
    const world = await started();
    world.disk.fault = "full";
    assert.equal((await world.login(BOB.address)).status, 303);
    assert.equal((await world.call("/portald/statistics"))["store-failures"], 1);
  });
});
