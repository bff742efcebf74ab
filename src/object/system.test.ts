import "#contract/system.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ip } from "#base/ip-address.ts";
import { milliseconds, seconds } from "#base/time.ts";
import { decodeUtf8 } from "#base/utf8.ts";
import type { Stream } from "#io/stream.ts";
import { LinuxClock } from "#linux/clock.ts";
import { LinuxStreamTransport } from "#linux/stream.ts";
import { Bus } from "#mailbox/bus.ts";
import type { Message } from "#mailbox/message.ts";
import { reject } from "#mailbox/verdict.ts";
import { SimClock } from "#sim/clock.ts";
import { SimHttpServers } from "#sim/http-server.ts";
import { SimStreamNetwork } from "#sim/stream-network.ts";
import { FIELD_COUNT_MAX } from "./http-server-object.ts";
import { SOCKET_CLIENT_COUNT_MAX, SOCKET_PENDING_BYTES_MAX } from "./socket-object.ts";
import { offerSystem } from "./system.ts";

const CLIENT = { address: ip("10.0.0.9"), port: 4000 };

function simulated(objectCountMax?: number): { bus: Bus; clock: SimClock; http: SimHttpServers } {
  const clock = new SimClock();
  const bus = new Bus({ name: "me", clock });
  const http = new SimHttpServers(clock);
  const limit = objectCountMax === undefined ? {} : { objectCountMax };
  offerSystem({ bus, http, streams: new LinuxStreamTransport(), ...limit });
  return { bus, clock, http };
}

describe("/system/http/server/new", () => {
  async function served(): Promise<
    ReturnType<typeof simulated> & { ask: (host?: string) => Promise<string> }
  > {
    const world = simulated();
    await world.bus.call("/system/http/server/new", { name: "/web", port: 8080 });
    const server = { address: ip("0.0.0.0"), port: 8080 };
    return {
      ...world,
      async ask(host = "web.example") {
        const connection = world.http.connect(server, CLIENT);
        const headers: [string, string][] = [
          ["Host", host],
          ["clientname", "/evil"],
          ["user-agent", "test"],
        ];
        const asked = connection.request({ target: "/a?b=c", headers });
        await world.clock.advance(seconds(60));
        const { status, body, headers: fields } = await asked;
        return `${status} ${decodeUtf8(body)?.trim()} ${fields.get("x-own") ?? "-"} ${connection.isOpen ? "open" : "closed"}`;
      },
    };
  }

  test("tells of a request only the fields that a tuple can hold, and no more than FIELD_COUNT_MAX", async () => {
    const { bus, clock, http } = simulated();
    await bus.call("/system/http/server/new", { name: "/web", port: 8080 });
    const tags: string[] = [];
    await bus.append("/web/request", "a", (message) => {
      tags.push(...[...message].map(([tag]) => tag));
      bus.send(`${message.get("clientname")}/close`, {});
    });
    const many = Array.from({ length: FIELD_COUNT_MAX }, (_, n): [string, string] => [`x-${n}`, ""]);
    const headers: [string, string][] = [["Host", "a"], ["a*b", "1"], ["y".repeat(65), "1"], ...many];
    const asked = http
      .connect({ address: ip("0.0.0.0"), port: 8080 }, CLIENT)
      .request({ target: "/", headers });
    await clock.advance(seconds(1));
    await asked;
    assert.deepEqual(tags.slice(0, 2), ["Host", "X-0"]);
    assert.equal(tags.filter((tag) => tag.startsWith("X-")).length, FIELD_COUNT_MAX - 1);
  });

  test("sends the paper's tuples, which nothing a client sends can replace", async () => {
    const { bus, ask } = await served();
    let seen: Record<string, unknown> = {};
    await bus.append("/web/request", "a", (message) => {
      seen = message.toObject();
      bus.send(`${message.get("clientname")}/close`, {});
    });
    await ask();
    assert.deepEqual(
      { ...seen, body: undefined },
      {
        Host: "web.example",
        Clientname: "/evil",
        "User-Agent": "test",
        clientname: "/web/client/1",
        method: "GET",
        path: "/a",
        query: "b=c",
        body: undefined,
        sockhost: "0.0.0.0",
        sockport: 8080,
        peerhost: "10.0.0.9",
        peerport: 4000,
      },
    );
  });

  type Serve = (bus: Bus, message: Message) => unknown;
  const answers: Readonly<Record<string, [Serve, string]>> = {
    "response and close: the answer, and the end of the connection": [
      (bus, message) => {
        bus.send(`${message.get("clientname")}/response`, {
          code: 404,
          "X-Own": "1",
          Connection: "upgrade",
          data: "no",
        });
        bus.send(`${message.get("clientname")}/close`, {});
      },
      "404 no 1 closed",
    ],
    "response alone: the answer, and the connection lives on": [
      (bus, message) => bus.send(`${message.get("clientname")}/response`, { data: "yes" }),
      "200 yes - open",
    ],
    "close alone: 503": [
      (bus, message) => bus.send(`${message.get("clientname")}/close`, {}),
      "503 Cannot serve the request: nobody answered it - closed",
    ],
    "nothing: 503 after a while": [
      () => undefined,
      "503 Cannot serve the request: nobody answered it - closed",
    ],
    "reject: 403 with the reason": [() => reject("members only"), "403 members only - closed"],
    "a code that is none: an error for the listener, 503 for the client": [
      (bus, message) =>
        assert.throws(() => bus.send(`${message.get("clientname")}/response`, { code: 42 }), /42/),
      "503 Cannot serve the request: nobody answered it - closed",
    ],
  };
  for (const [what, [serve, reply]] of Object.entries(answers)) {
    test(`gives the client, for ${what}`, async () => {
      const { bus, ask } = await served();
      await bus.append("/web/request", "a", (message) => serve(bus, message) as undefined);
      assert.equal(await ask(), reply);
      assert.equal(bus.table.mailboxes.has("/web/client/1/response"), false, "its mailboxes are gone");
    });
  }

  test("answers 503 while nobody listens, and takes its mailboxes away at close", async () => {
    const { bus, ask } = await served();
    assert.match(await ask(), /^503 .*nobody takes it/);
    await bus.send("/web/close", {});
    assert.equal(bus.table.mailboxes.has("/web/request"), false);
    await assert.rejects(ask(), /nobody listens/);
  });

  test("gives the error of a port that is taken, and leaves no mailboxes behind", async () => {
    const { bus } = await served();
    await assert.rejects(bus.call("/system/http/server/new", { name: "/two", port: 8080 }), {
      code: "address-in-use",
    });
    assert.equal(bus.table.mailboxes.has("/two/request"), false);
  });
});

describe("/system/timer/new", () => {
  test("keeps its pace when somebody sets the machine's time", async () => {
    const wall = new SimClock();
    const steady = new SimClock();
    const bus = new Bus({ name: "me", clock: wall, steady });
    offerSystem({ bus, http: new SimHttpServers(wall), streams: new LinuxStreamTransport() });
    let count = 0;
    await bus.append("/t/tick", "log", () => void count++);
    await bus.call("/system/timer/new", { name: "/t", interval: 1000, repeat: true });
    await wall.advance(seconds(3600));
    assert.equal(count, 0);
    await steady.advance(seconds(3));
    assert.equal(count, 3);
  });

  test("ticks in its pace until cancelled", async () => {
    const { bus, clock } = simulated();
    await bus.call("/system/timer/new", { name: "/t", interval: 100, repeat: true });
    const counts: unknown[] = [];
    await bus.append("/t/tick", "a", (message) => void counts.push(message.get("count")));
    await clock.advance(milliseconds(350));
    bus.send("/t/cancel", {});
    await clock.advance(milliseconds(500));
    assert.deepEqual(counts, [1, 2, 3]);
    assert.equal(clock.timerCount, 0);
  });

  test("ticks once when it is not told to repeat, and is gone", async () => {
    const { bus, clock } = simulated();
    await bus.call("/system/timer/new", { name: "/t", interval: 100 });
    const tick = bus.wait("/t/tick");
    await clock.advance(milliseconds(100));
    assert.equal((await tick).get("count"), 1);
    assert.equal(bus.table.mailboxes.has("/t/tick"), false);
  });
});

describe("objects", () => {
  const refused: Readonly<Record<string, [string, Record<string, string | number>, string]>> = {
    "a name that is no path": ["/system/socket/new", { name: "socket" }, "object-name"],
    "a name below /sys": ["/system/socket/new", { name: "/sys/list" }, "object-name"],
    "a name that is taken": ["/system/socket/new", { name: "/taken" }, "object-name"],
    "an interval of nothing": ["/system/timer/new", { name: "/t", interval: 0 }, "protocol-violation"],
    "one object too many": ["/system/timer/new", { name: "/t", interval: 5 }, "limit-exceeded"],
  };
  for (const [what, [to, body, code]] of Object.entries(refused)) {
    test(`${what} is refused with code ${code}`, async () => {
      const { bus } = simulated(1);
      await bus.call("/system/socket/new", { name: "/taken" });
      await assert.rejects(bus.call(to, body), { code });
    });
  }
});

describe("/system/socket/new", () => {
  async function pair(): Promise<{ bus: Bus; client: string; port: number; end: () => void }> {
    const bus = new Bus({
      name: "me",
      clock: new LinuxClock(),
      budget: seconds(20),
    });
    const clock = bus.clock;
    const table = offerSystem({ bus, http: new SimHttpServers(clock), streams: new LinuxStreamTransport() });
    await bus.call("/system/socket/new", { name: "/server" });
    const bound = await bus.call("/server/bind", { host: "127.0.0.1", port: 0 });
    const accepted = bus.wait("/server/new_client");
    await bus.call("/system/socket/new", { name: "/near" });
    const port = bound.get("port") as number;
    await bus.call("/near/connect", { host: "127.0.0.1", port });
    const client = String((await accepted).get("client"));
    return {
      bus,
      client,
      port,
      end: () => {
        bus.send("/server/close", {});
        if (bus.table.mailboxes.has("/near/close")) bus.send("/near/close", {});
        table.close();
      },
    };
  }

  test("carries bytes both ways, and tells both sides of the end", { timeout: 10_000 }, async () => {
    const { bus, client, end } = await pair();
    const got = bus.wait("/near/read");
    await bus.append(`${client}/read`, "echo", (message) => {
      bus.send(`${client}/write`, { data: message.get("data") });
    });
    await bus.send("/near/write", { data: "hello" });
    assert.equal(decodeUtf8((await got).get("data") as Uint8Array), "hello");
    const closed = bus.wait("/near/closed");
    bus.send(`${client}/close`, {});
    await closed;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(bus.table.mailboxes.has("/near/write"), false);
    end();
  });

  test("parks writers while the reader's listener parks, and refuses beyond the limit", {
    timeout: 20_000,
  }, async () => {
    const { bus, client, end } = await pair();
    const gate = Promise.withResolvers<undefined>();
    let received = 0;
    await bus.append(`${client}/read`, "slow", (message) => {
      received += (message.get("data") as Uint8Array).length;
      return gate.promise;
    });
    const parts = 64;
    const data = new Uint8Array(262_144);
    const writes: Promise<undefined>[] = [];
    let refusedCount = 0;
    for (let index = 0; index < parts; index++) {
      try {
        const sent = bus.send("/near/write", { data });
        if (sent) writes.push(sent);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "limit-exceeded");
        refusedCount++;
      }
    }
    let isDone = false;
    void Promise.all(writes).then(() => {
      isDone = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(isDone, false, "the writers wait");
    assert.ok(writes.length * data.length <= SOCKET_PENDING_BYTES_MAX + 2 * data.length);
    assert.ok(refusedCount > 0);
    gate.resolve(undefined);
    await Promise.all(writes);
    const sent = (parts - refusedCount) * data.length;
    while (received < sent) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(received, sent);
    end();
  });

  for (const [when, verdict] of [
    ["at once", () => reject("no")],
    ["later", async () => reject("no")],
  ] as const) {
    test(`closes the connection whose bytes a listener rejects ${when}`, { timeout: 10_000 }, async () => {
      const { bus, client, end } = await pair();
      await bus.append(`${client}/read`, "filter", verdict);
      const closed = bus.wait("/near/closed");
      await bus.send("/near/write", { data: "x" });
      await closed;
      end();
    });
  }

  test("closes the connection of a client that a listener of new_client rejects", {
    timeout: 10_000,
  }, async () => {
    const { bus, port, end } = await pair();
    await bus.append("/server/new_client", "door", () => reject("full"));
    await bus.call("/system/socket/new", { name: "/second" });
    await bus.call("/second/connect", { port });
    await bus.wait("/second/closed");
    end();
  });

  test("gives a typed error for a second bind, data that is none, and a port that is none", async () => {
    const { bus, end } = await pair();
    await assert.rejects(bus.call("/server/bind", { host: "127.0.0.1", port: 0 }), {
      code: "protocol-violation",
    });
    assert.throws(() => bus.send("/near/write", { data: 7 }), { code: "protocol-violation" });
    await bus.call("/system/socket/new", { name: "/third" });
    await assert.rejects(bus.call("/third/connect", { port: 99_999 }), { code: "protocol-violation" });
    end();
  });

  test("gives the error of a peer that is not there", async () => {
    const { bus, end } = await pair();
    await bus.call("/system/socket/new", { name: "/third" });
    await assert.rejects(bus.call("/third/connect", { path: "/nowhere/at/all" }), { code: "nobody-there" });
    end();
  });
});

describe("/system/socket/new, over simulated streams", () => {
  test("a socket that is closed while it connects leaves no mailbox behind", async () => {
    const clock = new SimClock();
    const bus = new Bus({ name: "me", clock });
    const network = new SimStreamNetwork({ clock });
    const streams = network.transport();
    offerSystem({ bus, http: new SimHttpServers(clock), streams });
    await network.transport().listen({ kind: "unix", path: "/s" }, () => undefined);
    await bus.call("/system/socket/new", { name: "/c" });
    const connecting = bus.call("/c/connect", { path: "/s" }).catch(() => undefined);
    await bus.call("/c/close", {});
    await connecting;
    await clock.advance(seconds(1));
    assert.deepEqual(
      [...bus.table.mailboxes.keys()].filter((path) => path.startsWith("/c/")),
      [],
    );
  });

  test("closes the one connection too many, and takes one again when another has gone", async () => {
    const clock = new SimClock();
    const bus = new Bus({ name: "me", clock });
    const transport = new SimStreamNetwork({ clock }).transport();
    offerSystem({ bus, http: new SimHttpServers(clock), streams: transport });
    await bus.call("/system/socket/new", { name: "/server" });
    const { host, port } = (await bus.call("/server/bind", { port: 0 })).toObject();
    const address = { kind: "tcp", host: String(host), port: Number(port) } as const;
    let closedCount = 0;
    let dialledCount = 0;
    async function dial(): Promise<Stream> {
      const stream = await transport.connect(address);
      stream.start({ onData: () => undefined, onClose: () => closedCount++ });
      if (++dialledCount % 1000 === 0) await clock.advance(milliseconds(1));
      return stream;
    }
    const first = await dial();
    for (let count = 1; count < SOCKET_CLIENT_COUNT_MAX; count++) await dial();
    await clock.advance(milliseconds(1));
    assert.equal(closedCount, 0);
    await dial();
    await clock.advance(milliseconds(1));
    assert.equal(closedCount, 1);
    first.close();
    await clock.advance(milliseconds(1));
    await dial();
    await clock.advance(milliseconds(1));
    assert.equal(closedCount, 2, "the first, which closed itself, and the one too many");
  });
});
