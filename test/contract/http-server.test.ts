/**
 * What every HTTP server of `io/http-server.ts` promises, asked of Linux's over real sockets and of the simulated one.
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import type { Readable, Stream } from "node:stream";
import { after, describe, test } from "node:test";
import { ip } from "#base/ip-address.ts";
import { milliseconds } from "#base/time.ts";
import type { HttpHandler, HttpLimits, HttpRequest, HttpServer } from "#io/http-server.ts";
import { LinuxClock } from "#linux/clock.ts";
import { LinuxHttpServers } from "#linux/http-server.ts";
import { type SimHttpRequest, SimHttpServers } from "#sim/http-server.ts";

interface Reply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

interface Client {
  request(request: SimHttpRequest): Promise<Reply>;
  close(): void;
}

interface World {
  listen(handler: HttpHandler, limits?: Partial<HttpLimits>): Promise<HttpServer>;
  connect(server: HttpServer): Promise<Client>;
}

function simWorld(): World {
  const servers = new SimHttpServers(new LinuxClock());
  return {
    listen: (handler, limits) => servers.listen({ address: ip("127.0.0.1"), port: 0 }, handler, limits),
    async connect(server) {
      const connection = servers.connect(server.local, { address: ip("127.0.0.1"), port: 40_000 });
      return {
        close: () => connection.close(),
        async request(request) {
          const { status, headers, body } = await connection.request(request);
          return { status, headers, text: Buffer.from(body).toString() };
        },
      };
    },
  };
}

function linuxWorld(): World {
  const servers = new LinuxHttpServers();
  return {
    listen: (handler, limits) => servers.listen({ address: ip("127.0.0.1"), port: 0 }, handler, limits),
    connect: (server) => rawClient(server),
  };
}

/** A client that sends exactly what it is told, wrong things included. */
async function rawClient(server: HttpServer): Promise<Client> {
  const socket = connect(server.local.port, server.local.address.toString());
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  socket.on("error", () => undefined);
  let received = Buffer.alloc(0);
  let wake: (() => void) | undefined;
  socket.on("data", (chunk) => {
    received = Buffer.concat([received, chunk]);
    wake?.();
  });
  socket.on("close", () => wake?.());
  return {
    close: () => void socket.destroy(),
    async request(request) {
      const body = Buffer.from(request.body ?? "");
      const fields = (request.headers ?? []).map(([name, value]) => `${name}: ${value}\r\n`);
      if (body.length > 0) fields.push(`Content-Length: ${body.length}\r\n`);
      socket.write(`${request.method ?? "GET"} ${request.target} HTTP/1.1\r\n${fields.join("")}\r\n`);
      socket.write(body);
      for (;;) {
        const reply = takeReply(received);
        if (reply) {
          received = received.subarray(reply.lengthBytes);
          return reply;
        }
        if (socket.closed) throw new Error("the server closed the connection");
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

function takeReply(bytes: Buffer): (Reply & { lengthBytes: number }) | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [line = "", ...fields] = bytes.subarray(0, end).toString().split("\r\n");
  const headers = new Map(fields.map((field) => splitField(field)));
  const length = Number(headers.get("content-length") ?? 0);
  if (bytes.length < end + 4 + length) return undefined;
  const text = bytes.subarray(end + 4, end + 4 + length).toString();
  return { status: Number(line.split(" ")[1]), headers, text, lengthBytes: end + 4 + length };
}

function splitField(field: string): [string, string] {
  const colon = field.indexOf(":");
  return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
}

const HOST = ["Host", "portal.example"] as const;

for (const [name, make] of [
  ["linux", linuxWorld],
  ["sim", simWorld],
] as const) {
  describe(`HttpServers (${name})`, () => {
    const world = make();
    const open: { close(): void | Promise<void> }[] = [];
    after(async () => {
      for (const thing of open) await thing.close();
    });
    async function serve(handler: HttpHandler, limits?: Partial<HttpLimits>): Promise<HttpServer> {
      const server = await world.listen(handler, limits);
      open.push(server);
      return server;
    }
    async function dial(server: HttpServer): Promise<Client> {
      const client = await world.connect(server);
      open.unshift(client);
      return client;
    }

    test("a handler gets the request taken apart, and the client its answer", async () => {
      let seen: HttpRequest | undefined;
      const server = await serve((request) => {
        seen = request;
        return { status: 200, headers: { "Content-Type": "text/plain" }, body: "grüß" };
      });
      const client = await dial(server);
      const reply = await client.request({
        method: "POST",
        target: "/a%20b/c?x=1&y=?",
        headers: [
          ["Host", "Portal.Example:80"],
          ["X-Two", "a"],
          ["x-two", "b"],
        ],
        body: "name=value",
      });
      assert.equal(reply.status, 200);
      assert.equal(reply.text, "grüß");
      assert.equal(reply.headers.get("content-type"), "text/plain");
      assert.ok(seen);
      assert.equal(seen.method, "POST");
      assert.equal(seen.host, "portal.example:80");
      assert.equal(seen.path, "/a%20b/c");
      assert.equal(seen.query, "x=1&y=?");
      assert.equal(seen.headers.get("x-two"), "a, b");
      assert.equal(Buffer.from(seen.body).toString(), "name=value");
      assert.equal(seen.peer.address.toString(), "127.0.0.1");
      assert.ok(seen.peer.port > 0);
      assert.deepEqual(seen.local, server.local);
    });

    test("one connection carries several requests", async () => {
      const server = await serve((request) => ({ status: 200, body: request.path }));
      const client = await dial(server);
      for (const target of ["/1", "/2", "/3"]) {
        assert.equal((await client.request({ target, headers: [HOST] })).text, target);
      }
      assert.equal(server.counts.requests, 3);
      assert.equal(server.connectionCount, 1);
    });

    test("a response that says close ends the connection", async () => {
      const server = await serve(() => ({ status: 204, close: true }));
      const client = await dial(server);
      await client.request({ target: "/", headers: [HOST] });
      await assert.rejects(client.request({ target: "/", headers: [HOST] }));
    });

    test("an absolute-form target names the host (RFC 9112 section 3.2.2)", async () => {
      const server = await serve((request) => ({ status: 200, body: `${request.host} ${request.path}` }));
      const reply = await (await dial(server)).request({ target: "http://Web.Example", headers: [HOST] });
      assert.equal(reply.text, "web.example /");
    });

    const refusals: readonly [string, SimHttpRequest, number, string][] = [
      ["no Host", { target: "/" }, 400, "hostless"],
      ["an empty Host", { target: "/", headers: [["Host", ""]] }, 400, "hostless"],
      ["two Hosts", { target: "/", headers: [HOST, ["Host", "other.example"]] }, 400, "hostless"],
      ["a Host with a path", { target: "/", headers: [["Host", "a.example/<b>"]] }, 400, "hostless"],
      ["a target that is no path", { target: "nowhere", headers: [HOST] }, 400, "malformed"],
      ["a method that is no token", { method: "G{T", target: "/", headers: [HOST] }, 400, "malformed"],
      [
        "header fields over the limit",
        { target: "/", headers: [HOST, ["X", "x".repeat(5000)]] },
        431,
        "headersTooLarge",
      ],
      [
        "a target over the limit",
        { target: `/${"x".repeat(5000)}`, headers: [HOST] },
        431,
        "headersTooLarge",
      ],
      [
        "a body over the limit",
        { method: "POST", target: "/", headers: [HOST], body: "x".repeat(2000) },
        413,
        "bodiesTooLarge",
      ],
    ];
    for (const [what, request, status, count] of refusals) {
      test(`${what} gets ${status} with a body that says why, and is counted`, async () => {
        let isCalled = false;
        const handler: HttpHandler = () => {
          isCalled = true;
          return { status: 200 };
        };
        const server = await serve(handler, { headerBytesMax: 4096, bodyBytesMax: 1024 });
        const reply = await (await dial(server)).request(request);
        assert.equal(reply.status, status);
        assert.match(reply.text, /^Cannot (read|serve) the request: /);
        assert.equal(reply.headers.get("cache-control"), "no-store");
        assert.equal(server.counts[count as keyof typeof server.counts], 1);
        assert.equal(isCalled, false);
        const next = await (await dial(server)).request({ target: "/", headers: [HOST] });
        assert.equal(next.status, 200, "the server lives on");
      });
    }

    const failures: readonly [string, HttpHandler][] = [
      [
        "throws",
        () => {
          throw new Error("boom");
        },
      ],
      ["rejects", () => Promise.reject(new Error("boom"))],
      [
        "answers with a line break in a field",
        () => ({ status: 200, headers: { "X-Name": "a\r\nSet-Cookie: b" } }),
      ],
      ["answers with status 42", () => ({ status: 42 })],
    ];
    for (const [what, handler] of failures) {
      test(`a handler that ${what} gives 500 without a word of the error`, async () => {
        const server = await serve(handler);
        const reply = await (await dial(server)).request({ target: "/", headers: [HOST] });
        assert.equal(reply.status, 500);
        assert.doesNotMatch(reply.text, /boom/);
        assert.equal(server.counts.handlerFailures, 1);
      });
    }

    test("a handler that never answers gives 503 after its time", async () => {
      const server = await serve(() => new Promise(() => undefined), { handlerTimeout: milliseconds(30) });
      const reply = await (await dial(server)).request({ target: "/", headers: [HOST] });
      assert.equal(reply.status, 503);
      assert.equal(server.counts.handlerTimeouts, 1);
    });

    test("a connection over the limit is refused and counted; closing one makes room", async () => {
      const server = await serve(() => ({ status: 200 }), { connectionCountMax: 1 });
      const first = await dial(server);
      assert.equal((await first.request({ target: "/", headers: [HOST] })).status, 200);
      await assert.rejects(async () => (await dial(server)).request({ target: "/", headers: [HOST] }));
      assert.equal(server.counts.refused, 1);
      first.close();
      while (server.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
      assert.equal((await (await dial(server)).request({ target: "/", headers: [HOST] })).status, 200);
    });

    test("close ends open connections and frees the port", async () => {
      const server = await serve(() => ({ status: 200 }));
      const client = await dial(server);
      await client.request({ target: "/", headers: [HOST] });
      await server.close();
      await server.close();
      await assert.rejects(client.request({ target: "/", headers: [HOST] }));
      await assert.rejects(async () => dial(server));
    });
  });
}

describe("LinuxHttpServers", () => {
  async function send(
    server: HttpServer,
    bytes: string,
    rest?: { each: string; every: number },
  ): Promise<string> {
    const socket = connect(server.local.port, "127.0.0.1");
    let text = "";
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.write(bytes);
    const drip = rest ? setInterval(() => socket.write(rest.each), rest.every) : undefined;
    await new Promise<void>((resolve) => socket.once("close", () => resolve()));
    clearInterval(drip);
    return text;
  }

  const limits = { headerTimeout: milliseconds(100), requestTimeout: milliseconds(150) };
  const garbage: readonly [string, string, number][] = [
    ["binary garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
    ["SSH's greeting", "SSH-2.0-OpenSSH_9.2\r\n\r\n", 400],
    ["two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400],
    [
      "both framings",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
    ],
    ["a line break inside a field", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400],
  ];
  for (const [what, bytes, status] of garbage) {
    test(`listen() answers ${what} with ${status} and lives on`, async () => {
      const server = await new LinuxHttpServers().listen({ address: ip("127.0.0.1"), port: 0 }, () => ({
        status: 200,
      }));
      assert.match(await send(server, bytes), new RegExp(`^HTTP/1.1 ${status} `));
      assert.equal(server.counts.malformed, 1);
      assert.equal(server.counts.requests, 0);
      await server.close();
    });
  }

  test("listen() cuts off a client that drips its header fields", async () => {
    const server = await new LinuxHttpServers().listen(
      { address: ip("127.0.0.1"), port: 0 },
      () => ({ status: 200 }),
      limits,
    );
    const text = await send(server, "GET / HTTP/1.1\r\nHost: a\r\n", { each: "X-A: b\r\n", every: 20 });
    assert.match(text, /^HTTP\/1.1 408 /);
    assert.equal(server.counts.slow, 1);
    await server.close();
  });

  test("listen() cuts off a client that drips its body", async () => {
    const server = await new LinuxHttpServers().listen(
      { address: ip("127.0.0.1"), port: 0 },
      () => ({ status: 200 }),
      limits,
    );
    const text = await send(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n", {
      each: "x",
      every: 20,
    });
    assert.match(text, /^HTTP\/1.1 408 /);
    assert.equal(server.counts.slow, 1);
    await server.close();
  });

  test("listen() stops reading a chunked body at the limit", async () => {
    const servers = new LinuxHttpServers();
    const server = await servers.listen({ address: ip("127.0.0.1"), port: 0 }, () => ({ status: 200 }), {
      bodyBytesMax: 10,
    });
    const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const text = await send(server, `${head}8\r\nxxxxxxxx\r\n8\r\nxxxxxxxx\r\n`);
    assert.match(text, /^HTTP\/1.1 413 /);
    assert.equal(server.counts.bodiesTooLarge, 1);
    assert.equal(server.counts.requests, 0);
    await server.close();
  });

  test("listen() takes a listening socket that somebody else opened", { timeout: 10_000 }, async () => {
    const opened = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => opened.once("listening", resolve));
    const program = `
      import { LinuxHttpServers } from "#linux/http-server.ts";
      const server = await new LinuxHttpServers().listen({ fd: 3 }, () => ({ status: 200, body: "from fd" }));
      process.stdout.write(String(server.local.port));
      process.stdin.once("end", () => server.close()).resume();`;
    const { _handle } = opened as unknown as { _handle: Stream };
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["pipe", "pipe", "inherit", _handle],
    });
    const { port } = opened.address() as AddressInfo;
    opened.close();
    const [told] = await once(child.stdout as Readable, "data");
    assert.equal(String(told), String(port));
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "from fd");
    child.stdin?.end();
    assert.deepEqual(await once(child, "exit"), [0, null]);
  });

  test("listen() says who to ask when the port is taken", async () => {
    const servers = new LinuxHttpServers();
    const server = await servers.listen({ address: ip("127.0.0.1"), port: 0 }, () => ({ status: 200 }));
    await assert.rejects(
      servers.listen(server.local, () => ({ status: 200 })),
      {
        code: "address-in-use",
        message: /another program listens there already/,
      },
    );
    await server.close();
  });
});
