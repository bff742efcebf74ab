/**
 * Servers written with mailboxes only, as the MetaNet paper does (§4, §9), over real loopback connections.
 * @module
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Node, node, type Objects, offerObjects } from "#app/metanet.ts";

const TIMEOUT = { timeout: 60_000 };
/** Far more than every buffer between the two ends holds: the sender's and receiver's, twice each. */
const FLOOD_BYTES = 192 * 1024 * 1024;
/** Longer than a message may wait elsewhere. */
const SILENCE_MS = 2500;
/** What may wait inside of the process: the queue of a socket, what has been read, and what tests themselves take. */
const MEMORY_GROWTH_BYTES_MAX = 48 * 1024 * 1024;

const run = mkdtempSync(join(tmpdir(), "metanet-objects-"));
let net: Node;
let objects: Objects;
let echoPort = 0;

before(async () => {
  net = await node("servers", { directory: run });
  objects = offerObjects(net);
  await net.call("/system/socket/new", { name: "/echo" });
  const bound = await net.call("/echo/bind", { host: "127.0.0.1", port: 0 });
  echoPort = bound.get("port") as number;
  await net.append("/echo/new_client", "echo", async (message) => {
    const client = message.get("client") as string;
    await net.append(`${client}/read`, "echo", (read) =>
      net.send(`${client}/write`, { data: read.get("data") }),
    );
  });
});

after(async () => {
  objects.close();
  await net.close();
  rmSync(run, { recursive: true });
});

async function dial(): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port: echoPort });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return socket;
}

/** Bytes of the process that are not given back: buffers above all. */
function usedBytes(): number {
  const { external, heapUsed } = process.memoryUsage();
  return external + heapUsed;
}

describe("an echo server of mailboxes only", () => {
  test("gives back what it gets, to several clients at once", TIMEOUT, async () => {
    const said = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const socket = await dial();
        socket.end(`hello ${index}`);
        return (await socket.setEncoding("utf8").toArray()).join("");
      }),
    );
    assert.deepEqual(
      said,
      said.map((_, index) => `hello ${index}`),
    );
  });

  test("stops a sender whose echo nobody reads, in bounded memory, and loses nothing", TIMEOUT, async () => {
    const socket = await dial();
    socket.pause();
    const chunk = Buffer.alloc(65_536);
    const before = usedBytes();
    let sentBytes = 0;
    let isStuck = false;
    const fill = (): void => {
      isStuck = false;
      while (sentBytes < FLOOD_BYTES) {
        chunk.writeUInt32LE(sentBytes / chunk.length);
        sentBytes += chunk.length;
        if (!socket.write(Buffer.from(chunk))) {
          isStuck = true;
          return;
        }
      }
      socket.end();
    };
    socket.on("drain", fill);
    fill();
    await pause(SILENCE_MS);
    const stoppedAt = sentBytes;
    assert.ok(isStuck && stoppedAt < FLOOD_BYTES / 2, `the sender got rid of ${stoppedAt} bytes`);
    assert.ok(usedBytes() - before < MEMORY_GROWTH_BYTES_MAX, `${usedBytes() - before} bytes more`);
    await pause(500);
    assert.equal(sentBytes, stoppedAt, "it goes on waiting");

    let readBytes = 0;
    let place = 0;
    for await (const part of socket) {
      const bytes = part as Buffer;
      for (
        let at = (chunk.length - (readBytes % chunk.length)) % chunk.length;
        at + 4 <= bytes.length;
        at += chunk.length
      ) {
        assert.equal(bytes.readUInt32LE(at), place++);
      }
      readBytes += bytes.length;
    }
    assert.equal(readBytes, FLOOD_BYTES);
  });
});

describe("a web server of mailboxes only", () => {
  test("answers as the paper's does", TIMEOUT, async () => {
    const server = await net.call("/system/http/server/new", { name: "/web", port: 0 });
    await net.append("/web/request", "web", (request) => {
      const client = request.get("clientname") as string;
      net.send(`${client}/response`, {
        code: 200,
        "Content-Type": "text/plain",
        data: `you want ${request.get("path")}`,
      });
      net.send(`${client}/close`, {});
    });
    const replies = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const reply = await fetch(`http://127.0.0.1:${server.get("port")}/page/${index}`);
        return `${reply.status} ${reply.headers.get("content-type")} ${await reply.text()}`;
      }),
    );
    assert.deepEqual(
      replies,
      replies.map((_, index) => `200 text/plain you want /page/${index}`),
    );
    await net.send("/web/close", {});
  });
});

test("Objects.close() ends servers, connections and timers", TIMEOUT, async () => {
  const socket = await dial();
  await net.call("/system/timer/new", { name: "/clock", interval: 10, repeat: true });
  const server = await net.call("/system/http/server/new", { name: "/second", port: 0 });
  await net.wait("/clock/tick");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  objects.close();
  await closed;
  assert.equal(objects.count, 0);
  await assert.rejects(fetch(`http://127.0.0.1:${server.get("port")}/`));
  await assert.rejects(
    dial().then(() => undefined),
    { code: "ECONNREFUSED" },
  );
  assert.equal(net.table.mailboxes.has("/clock/tick"), false);
});
