import assert from "node:assert/strict";
import "#contract/portald.ts";
import { describe, test } from "node:test";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { seconds } from "#base/time.ts";
import { change, reject } from "#mailbox/verdict.ts";
import { ALICE, BOB, LOGIN, PORTAL6, started } from "../../../test/portal/world.ts";

describe("a fresh client's request", () => {
  test("is redirected to the login page with what it wanted, in three ways", async () => {
    const world = await started();
    const reply = await world.ask(ALICE.address, "/news?id=1&x=y", { host: "web.example" });
    const location = `${LOGIN}?url=${encodeURIComponent("http://web.example/news?id=1&x=y")}`;
    assert.equal(reply.status, 307);
    assert.equal(reply.headers.get("location"), location);
    assert.equal(reply.headers.get("refresh"), `1;url=${location}`);
    assert.equal(reply.headers.get("cache-control"), "no-store");
    assert.match(reply.text, /<a href="http:\/\/10\.77\.0\.1:5280\/login\?url=/);
  });

  const probes: readonly [string, string][] = [
    ["captive.apple.com", "/hotspot-detect.html"],
    ["www.apple.com", "/library/test/success.html"],
    ["connectivitycheck.gstatic.com", "/generate_204"],
    ["www.google.com", "/gen_204"],
    ["www.msftconnecttest.com", "/connecttest.txt"],
    ["ipv6.msftconnecttest.com", "/connecttest.txt"],
    ["www.msftncsi.com", "/ncsi.txt"],
    ["detectportal.firefox.com", "/success.txt"],
    ["detectportal.firefox.com", "/canonical.html"],
    ["nmcheck.gnome.org", "/check_network_status.txt"],
    ["network-test.debian.org", "/nm"],
    ["connectivity-check.ubuntu.com", "/"],
    ["ping.archlinux.org", "/nm-check.txt"],
    ["fedoraproject.org", "/static/hotspot.txt"],
    ["ipv4.connman.net", "/online/status.html"],
    ["spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html"],
    ["cp.cloudflare.com", "/"],
  ];
  for (const [host, path] of probes) {
    test(`to http://${host}${path} is redirected without offering the probe as a page to go on to`, async () => {
      const world = await started();
      const reply = await world.ask(ALICE.address, path, { host });
      assert.equal(reply.status, 307);
      assert.equal(reply.headers.get("location"), LOGIN);
      assert.equal((await world.call("/portald/statistics")).probes, 1);
    });
  }

  test("goes to the portal's IPv6 address when it came over IPv6", async () => {
    const world = await started();
    const connection = world.http.connect(
      { address: PORTAL6, port: 5280 },
      { address: ALICE.address6, port: 1 },
    );
    const reply = await world.run(connection.request({ target: "/", headers: [["Host", "web.example"]] }));
    assert.match(reply.headers.get("location") ?? "", /^http:\/\/\[2001:db8::1\]:5280\/login\?url=/);
  });

  const unkept: readonly [string, string, string][] = [
    ["a target longer than 2048 characters", "web.example", `/${"x".repeat(2100)}`],
    ["a target with a quote", "web.example", '/"><script>alert(1)</script>'],
    ["a target with a backslash", "web.example", "/\\evil.example"],
  ];
  for (const [what, host, target] of unkept) {
    test(`with ${what} is redirected, and that is forgotten`, async () => {
      const world = await started();
      const reply = await world.ask(ALICE.address, target, { host });
      assert.equal(reply.status, 307);
      assert.equal(reply.headers.get("location"), LOGIN);
      assert.doesNotMatch(reply.text, /script/);
    });
  }
});

describe("the login", () => {
  test("lets the client pass, keeps it, tells of it, and offers to go on", async () => {
    const world = await started();
    const opened = world.bus.wait("/portald/opened");
    const reply = await world.login(ALICE.address, { url: "http://web.example/news?a=1&b=2" });
    assert.equal(reply.status, 303);
    assert.ok(world.isPermitted(ALICE.address));
    assert.equal(String((await opened).get("mac")), String(ALICE.mac));
    assert.equal(world.disk.table("portal-sessions").size, 1);
    const welcome = await world.ask(ALICE.address, reply.headers.get("location") ?? "");
    assert.match(welcome.text, /<a class="button" href="http:\/\/web\.example\/news\?a=1&amp;b=2"/);
    assert.match(welcome.text, /Continue to web\.example/);
  });

  test("page is small, needs no script and nothing from elsewhere, and says so in its policy", async () => {
    const world = await started();
    const { text, headers } = await world.ask(ALICE.address, "/login?url=http%3A%2F%2Fweb.example%2F");
    assert.ok(Buffer.byteLength(text) < 10_000, `${Buffer.byteLength(text)} bytes`);
    assert.doesNotMatch(text, /<script|src=|@import|url\(|onclick/i);
    assert.match(text, /name="viewport"/);
    assert.match(text, /<title>You are almost online – Lab &amp; Co<\/title>/);
    const policy = headers.get("content-security-policy") ?? "";
    const nonce = /<style nonce="([0-9a-f]{32})">/.exec(text)?.[1];
    assert.ok(nonce && policy.includes(`style-src 'nonce-${nonce}'`));
    assert.match(policy, /default-src 'none'.*form-action 'self'.*frame-ancestors 'none'/);
    assert.equal(headers.get("cache-control"), "no-store");
  });

  test("page speaks the client's language", async () => {
    const world = await started();
    const { text } = await world.ask(ALICE.address, "/", {
      headers: [["Accept-Language", "fr, de-DE;q=0.9"]],
    });
    assert.match(text, /<html lang="de">.*Online gehen/s);
  });

  test("sent twice at once opens one session", async () => {
    const world = await started();
    const token = await world.token(ALICE.address);
    const replies = await Promise.all([1, 2].map(() => world.login(ALICE.address, { token })));
    assert.deepEqual(
      replies.map((reply) => reply.status),
      [303, 303],
    );
    assert.equal((await world.call("/portald/statistics")).logins, 1);
  });

  test("adds the client's IPv6 address when a request comes from it, under the same session", async () => {
    const world = await started();
    world.neighbours.remove(ALICE.address6);
    await world.login(ALICE.address);
    world.neighbours.add(ALICE.address6, ALICE.mac);
    const reply = await world.ask(ALICE.address6, "/news", { host: "web.example" });
    assert.equal(reply.status, 307);
    assert.equal(reply.headers.get("location"), "http://web.example/news");
    assert.ok(world.isPermitted(ALICE.address6));
    assert.deepEqual((await world.call("/portald/sessions")).addresses, ["10.77.0.100 2001:db8::a"]);
  });

  test("sends a client back as often as its browser has old connections, then to its status", async () => {
    const world = await started();
    await world.login(ALICE.address);
    await world.login(BOB.address);
    const places: unknown[] = [];
    for (let count = 0; count < 7; count++) {
      await world.ask(BOB.address, "/other", { host: "web.example" });
      const reply = await world.ask(ALICE.address, "/news", { host: "web.example" });
      places.push(reply.headers.get("location"));
    }
    assert.deepEqual(places.slice(0, 6), Array(6).fill("http://web.example/news"));
    assert.equal(places[6], "http://10.77.0.1:5280/status");
  });

  test("has the firewall permit a client anew that strays here twice", async () => {
    const world = await started();
    await world.login(ALICE.address);
    world.firewall.permits.clear();
    await world.clock.advance(seconds(1));
    await world.ask(ALICE.address, "/news", { host: "web.example" });
    assert.ok(!world.isPermitted(ALICE.address));
    await world.ask(ALICE.address, "/news", { host: "web.example" });
    assert.ok(world.isPermitted(ALICE.address));
  });
});

describe("mailboxes of the portal", () => {
  test("/portald/login and /portald/logout serve programs as they serve pages", async () => {
    const world = await started();
    const terms = await world.call("/portald/login", {
      ...ALICE,
      address6: undefined,
      user: "alice",
      idle: 60_000,
    });
    assert.equal(terms.idle, 60_000);
    assert.deepEqual((await world.call("/portald/sessions")).user, ["alice"]);
    assert.deepEqual(await world.call("/portald/logout", { mac: ALICE.mac }), {
      closed: true,
      revoked: true,
    });
    assert.deepEqual(await world.call("/portald/logout", { mac: ALICE.mac }), {
      closed: false,
      revoked: true,
    });
    assert.equal(world.isPermitted(ALICE.address), false);
  });

  test("/portald/login moves an address to the client that has it now, and the other does not take it back", async () => {
    const world = await started();
    await world.login(ALICE.address);
    world.neighbours.add(ALICE.address, BOB.mac);
    await world.call("/portald/login", { mac: BOB.mac, address: ALICE.address });
    await world.clock.advance(seconds(30));
    assert.equal(String(world.firewall.permits.get("10.77.0.100")?.mac), String(BOB.mac));
  });

  test("/portald/sessions gives pages of columns, sorted", async () => {
    const world = await started();
    for (const last of [3, 1, 2]) {
      await world.call("/portald/login", {
        mac: mac(`02:00:00:00:01:0${last}`),
        address: ip(`10.77.0.${last}`),
      });
    }
    const first = await world.call("/portald/sessions", { limit: 2 });
    assert.deepEqual(String(first.mac), "02:00:00:00:01:01,02:00:00:00:01:02");
    assert.equal(first.more, true);
    const second = await world.call("/portald/sessions", { after: mac("02:00:00:00:01:02") });
    assert.deepEqual(String(second.addresses), "10.77.0.3");
    assert.equal(second.more, false);
  });

  test("/portald/request lets a listener send clients elsewhere, or away", async () => {
    const world = await started();
    const other = await world.bus.append("/portald/request", "external", (message) =>
      message.get("caught") ? change({ set: { location: "https://portal.example/\r\nX: y" } }) : undefined,
    );
    const reply = await world.ask(ALICE.address, "/", { host: "web.example" });
    assert.equal(reply.headers.get("location"), "https://portal.example/X:y");
    await other.detach();
    world.bus.append("/portald/request", "ban", () => reject("not you"));
    const banned = await world.ask(ALICE.address, "/", { host: "web.example" });
    assert.equal(banned.status, 403);
    assert.match(banned.text, /not you/);
  });

  test("/portald/authenticate is given the form, and its user is the session's", async () => {
    const world = await started();
    world.bus.append("/portald/authenticate", "guard", (message) => {
      const value = message.get("value") ?? [];
      const word = value[(message.get("field") ?? []).indexOf("word")];
      return word === "sesame" ? change({ set: { user: "ali" } }) : reject("say the word");
    });
    assert.equal((await world.login(ALICE.address, { word: "open" })).status, 403);
    assert.equal((await world.login(ALICE.address, { word: "sesame" })).status, 303);
    assert.deepEqual((await world.call("/portald/sessions")).user, ["ali"]);
  });

  test("/portald/authenticate shuts when its listener fails: a broken guard is no open door", async () => {
    const world = await started();
    world.bus.append("/portald/authenticate", "broken", () => {
      throw new Error("bug");
    });
    assert.equal((await world.login(ALICE.address)).status, 403);
    assert.equal(world.isPermitted(ALICE.address), false);
  });

  test("/portald/page lets a listener write the whole page, with its own policy", async () => {
    const world = await started();
    world.bus.append("/portald/page", "own", (message) =>
      change({ set: { html: `<b>${message.get("token")}</b>`, policy: "default-src 'self'\r\nX: y" } }),
    );
    const reply = await world.ask(ALICE.address, "/login");
    assert.match(reply.text, /^<b>[0-9a-z]+\.[0-9a-f]{32}<\/b>$/);
    assert.equal(reply.headers.get("content-security-policy"), "default-src 'self' X: y");
  });

  test("/captive-portal/api tells the client's state (RFC 8908)", async () => {
    const world = await started({ quotaBytes: 5000 });
    const before = await world.ask(ALICE.address, "/captive-portal/api");
    assert.equal(before.headers.get("content-type"), "application/captive+json");
    assert.equal(before.headers.get("cache-control"), "private, no-store");
    assert.deepEqual(JSON.parse(before.text), { captive: true, "user-portal-url": LOGIN });
    await world.login(ALICE.address);
    await world.clock.advance(seconds(60));
    assert.deepEqual(JSON.parse((await world.ask(ALICE.address, "/captive-portal/api")).text), {
      captive: false,
      "user-portal-url": LOGIN,
      "can-extend-session": false,
      "seconds-remaining": 12 * 3600 - 60,
      "bytes-remaining": 5000,
    });
  });
});
