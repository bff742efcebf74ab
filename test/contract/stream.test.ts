/**
 * What every transport of `io/stream.ts` promises, held against Node's sockets and the simulated ones.
 * @module
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { milliseconds } from "#base/time.ts";
import {
  AddressInUseError,
  NobodyThereError,
  PathTooLongError,
  type Stream,
  type StreamAddress,
  type StreamListener,
  type StreamTransport,
  UNIX_PATH_BYTES_MAX,
} from "#io/stream.ts";
import { LinuxStreamTransport } from "#linux/stream.ts";
import { SimClock } from "#sim/clock.ts";
import { SimStreamNetwork } from "#sim/stream-network.ts";

interface World {
  readonly name: string;
  readonly transport: StreamTransport;
  address(): StreamAddress;
  /** Lets things happen until `done`, or fails after a second. */
  until(done: () => boolean, what: string): Promise<void>;
}

const folder = mkdtempSync(join(tmpdir(), "metanet-stream-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const nextPath = (): string => join(folder, `s${++count}`);

async function wait(done: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 1000 && !done(); turn++) await sleep(1);
  assert.ok(done(), what);
}

function simulated(kind: "unix" | "tcp"): World {
  const clock = new SimClock();
  const network = new SimStreamNetwork({ clock, delay: milliseconds(1) });
  const address = (): StreamAddress =>
    kind === "unix" ? { kind, path: nextPath() } : { kind, host: "127.0.0.1", port: 0 };
  const until = async (done: () => boolean, what: string): Promise<void> => {
    for (let turn = 0; turn < 1000 && !done(); turn++) await clock.advance(milliseconds(1));
    assert.ok(done(), what);
  };
  return { name: `sim ${kind}`, transport: network.transport({ uid: 7, gid: 8, pid: 9 }), address, until };
}

const linux = new LinuxStreamTransport();
const worlds: readonly World[] = [
  { name: "linux unix", transport: linux, address: () => ({ kind: "unix", path: nextPath() }), until: wait },
  {
    name: "linux tcp",
    transport: linux,
    address: () => ({ kind: "tcp", host: "127.0.0.1", port: 0 }),
    until: wait,
  },
  simulated("unix"),
  simulated("tcp"),
];

/** A stream with everything that happened to it. */
class Log {
  readonly stream: Stream;
  text = "";
  byteCount = 0;
  drains = 0;
  closed: readonly (Error | undefined)[] = [];

  constructor(stream: Stream) {
    this.stream = stream;
    stream.start({
      onData: (bytes) => {
        this.byteCount += bytes.length;
        if (this.text.length < 1000) this.text += new TextDecoder().decode(bytes);
      },
      onDrain: () => this.drains++,
      onClose: (error) => {
        this.closed = [...this.closed, error];
      },
    });
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function connected(
  world: World,
): Promise<{ client: Stream; server: Stream; listener: StreamListener }> {
  const accepted: Stream[] = [];
  const listener = await world.transport.listen(world.address(), (stream) => accepted.push(stream));
  const client = await world.transport.connect(listener.address);
  await world.until(() => accepted.length === 1, "the listener accepts");
  return { client, server: accepted[0]!, listener };
}

for (const world of worlds) {
  test(`${world.name}: bytes arrive in order, both ways`, async () => {
    const { client, server, listener } = await connected(world);
    const [left, right] = [new Log(client), new Log(server)];
    client.write(bytes("one "));
    client.write(bytes("two"));
    server.write(bytes("answer"));
    await world.until(() => right.text === "one two" && left.text === "answer", "the bytes arrive");
    client.close();
    await world.until(() => right.closed.length === 1 && left.closed.length === 1, "both hear of the end");
    await listener.close();
  });

  test(`${world.name}: what arrives before start() is kept, a close included`, async () => {
    const { client, server, listener } = await connected(world);
    new Log(client);
    client.write(bytes("early"));
    client.end();
    const late = new Log(server);
    await world.until(() => late.text === "early" && late.closed.length === 1, "it is delivered afterwards");
    assert.equal(late.closed[0], undefined);
    await listener.close();
  });

  for (const said of ["", "last words"]) {
    test(`${world.name}: an end before start() is kept, after '${said}', with onEnd and without`, async () => {
      const { client, server, listener } = await connected(world);
      if (said !== "") server.write(bytes(said));
      server.end();
      const other = new Log(server);
      let turns = 0;
      await world.until(() => ++turns > 20, "the end arrives");
      const seen: string[] = [];
      client.start({
        onData: (chunk) => seen.push(new TextDecoder().decode(chunk)),
        onEnd: () => {
          seen.push("end");
          client.end();
        },
        onClose: (error) => seen.push(error === undefined ? "closed" : String(error)),
      });
      await world.until(() => seen.includes("closed") && other.closed.length === 1, "both sides close");
      assert.deepEqual(seen, [...(said === "" ? [] : [said]), "end", "closed"]);

      const again = await connected(world);
      if (said !== "") again.server.write(bytes(said));
      again.server.end();
      const peer = new Log(again.server);
      turns = 0;
      await world.until(() => ++turns > 20, "the end arrives");
      const plain = new Log(again.client);
      await world.until(() => plain.closed.length === 1 && peer.closed.length === 1, "it ends in answer");
      assert.equal(plain.text, said);
      await listener.close();
      await again.listener.close();
    });
  }

  test(`${world.name}: end() ends one way, and the other when the user has no onEnd`, async () => {
    const { client, server, listener } = await connected(world);
    const seen: string[] = [];
    client.start({
      onData: (chunk) => seen.push(new TextDecoder().decode(chunk)),
      onEnd: () => seen.push("end"),
      onClose: () => seen.push("closed"),
    });
    server.start({
      onData: () => seen.push("request"),
      onEnd: () => {
        server.write(bytes("reply"));
        server.end();
      },
      onClose: () => undefined,
    });
    client.write(bytes("?"));
    client.end();
    await world.until(() => seen.includes("closed"), "the conversation ends");
    assert.deepEqual(seen, ["request", "reply", "end", "closed"]);
    await listener.close();
  });

  test(`${world.name}: write() says when the reader is slow, and onDrain when it has caught up`, async () => {
    const { client, server, listener } = await connected(world);
    const [left, right] = [new Log(client), new Log(server)];
    server.pause();
    const block = new Uint8Array(65_536);
    let written = 0;
    while (client.write(block) && written < 100) written++;
    // TCP's and the kernel's buffers take some of it first.
    await world.until(() => {
      if (client.pendingBytes === 0 && written < 400) {
        written++;
        client.write(block);
      }
      return client.pendingBytes > 0;
    }, "the buffer fills");
    assert.equal(right.byteCount === 0 || world.name.includes("tcp"), true);
    server.resume();
    await world.until(() => client.pendingBytes === 0 && left.drains > 0, "it drains");
    client.close();
    server.close();
    await listener.close();
  });

  test(`${world.name}: write() after close() is dropped, onClose comes once`, async () => {
    const { client, server, listener } = await connected(world);
    const [left, right] = [new Log(client), new Log(server)];
    client.close();
    client.close();
    assert.equal(client.write(bytes("lost")), false);
    await world.until(() => left.closed.length > 0 && right.closed.length > 0, "both hear of it");
    client.end();
    assert.equal(left.closed.length, 1);
    assert.equal(right.text, "");
    await listener.close();
  });

  test(`${world.name}: connect() where nobody listens is a NobodyThereError`, async () => {
    const listener = await world.transport.listen(world.address(), () => undefined);
    await assert.rejects(
      world.transport.listen(listener.address, () => undefined),
      AddressInUseError,
    );
    await listener.close();
    await listener.close();
    await assert.rejects(world.transport.connect(listener.address), NobodyThereError);
    const again = await world.transport.listen(listener.address, () => undefined);
    await again.close();
  });
}

for (const world of worlds.filter((one) => one.name.includes("unix"))) {
  test(`${world.name}: a path of 108 bytes is a PathTooLongError, to listen and to connect`, async () => {
    const path = `${folder}/${"x".repeat(UNIX_PATH_BYTES_MAX - folder.length)}`;
    assert.equal(path.length, UNIX_PATH_BYTES_MAX + 1);
    await assert.rejects(
      world.transport.listen({ kind: "unix", path }, () => undefined),
      PathTooLongError,
    );
    await assert.rejects(world.transport.connect({ kind: "unix", path }), PathTooLongError);
    const fits = { kind: "unix", path: path.slice(0, -1) } as const;
    const listener = await world.transport.listen(fits, () => undefined);
    (await world.transport.connect(fits)).close();
    await listener.close();
  });
}

/** What proc(5) says of this process's supplementary groups. */
function readGroups(): number[] {
  const [, groups = ""] = /^Groups:\t(.*)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return groups.split(" ").filter(Boolean).map(Number).sort();
}

test("linux unix: each side knows the other's credentials", async () => {
  const { client, server, listener } = await connected(worlds[0]!);
  const mine = { uid: process.getuid!(), gid: process.getgid!(), pid: process.pid };
  for (const peer of [client.peer, server.peer]) {
    const { groups = [], ...rest } = peer!;
    assert.deepEqual(rest, mine);
    assert.deepEqual([...groups].sort(), readGroups());
  }
  client.close();
  server.close();
  await listener.close();
});

test("linux unix: the socket file has its mode from the first moment, and no other file is left", async () => {
  const path = nextPath();
  const listener = await linux.listen({ kind: "unix", path }, () => undefined, { mode: 0o660 });
  assert.equal(statSync(path).mode & 0o777, 0o660);
  await listener.close();
  assert.equal(existsSync(path), false);
  const plain = await linux.listen({ kind: "unix", path }, () => undefined);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await plain.close();
});

test("linux unix: a stale socket file is taken over", async () => {
  const path = nextPath();
  const { spawnSync } = await import("node:child_process");
  // A process that dies with its socket open leaves the file behind.
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script]);
  assert.equal(existsSync(path), true);
  await assert.rejects(linux.connect({ kind: "unix", path }), NobodyThereError);
  const { client, server, listener } = await connected({
    ...worlds[0]!,
    address: () => ({ kind: "unix", path }),
  });
  client.close();
  server.close();
  await listener.close();
});

test("linux unix: a living process's socket is not taken, and the error names the process", async () => {
  const path = nextPath();
  const other = createServer().listen(path);
  await new Promise((resolve) => other.once("listening", resolve));
  await assert.rejects(
    linux.listen({ kind: "unix", path }, () => undefined),
    (error: unknown) => {
      assert.ok(error instanceof AddressInUseError);
      assert.match(error.message, new RegExp(`process ${process.pid} of this name is running`));
      return true;
    },
  );
  assert.equal(existsSync(path), true);
  other.close();
});

test("linux unix: a file that is no socket is never removed", async () => {
  const path = nextPath();
  writeFileSync(path, "precious");
  await assert.rejects(
    linux.listen({ kind: "unix", path }, () => undefined),
    /no socket/,
  );
  assert.equal(statSync(path).size, 8);
});

test("linux unix: close() leaves a file alone that somebody else has put in its place", async () => {
  const path = nextPath();
  const listener = await linux.listen({ kind: "unix", path }, () => undefined);
  rmSync(path);
  const usurper = await linux.listen({ kind: "unix", path }, () => undefined);
  await listener.close();
  assert.equal(existsSync(path), true);
  await usurper.close();
});
