/**
 * The DHCP socket's way from a broker with root's powers to a process without any, and what keeps others from it.
 * @module
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { ip } from "#base/ip-address.ts";
import { milliseconds } from "#base/time.ts";
import { encodeUtf8 } from "#base/utf8.ts";
import type { Datagram } from "#io/datagram.ts";
import type { Refusal } from "#io/socket-handover.ts";
import { LinuxBroadcastSocket, openBroadcastDescriptors } from "#linux/datagram.ts";
import { connectHandover, requestSocket } from "#linux/handover-client.ts";
import { decodeAnswer, HANDOVER_BYTES_MAX } from "#linux/handover-message.ts";
import { enterNamespace } from "#linux/namespace.ts";
import { native } from "#linux/native.ts";
import { CLIENT_COUNT_MAX, LinuxSocketHandover, REQUEST_MILLISECONDS_MAX } from "#linux/socket-handover.ts";
import { VethPair, vethProblem } from "../contract/veth-pair.ts";

const NOBODY = 65534;
const ADDRESS = ip("10.98.0.1");
const run = promisify(execFile);

describe("LinuxSocketHandover", { skip: vethProblem() ?? false }, () => {
  let pair: VethPair;
  let folder: string;
  let path: string;
  let broker: LinuxSocketHandover | undefined;
  let refusals: Refusal[];

  before(() => {
    pair = new VethPair();
    pair.ip(pair.server, "address", "add", `${ADDRESS}/24`, "dev", "eth0");
    enterNamespace(pair.server);
    // Below /tmp and not below the checkout, which the unprivileged user may be unable to see.
    folder = mkdtempSync(join(tmpdir(), "metanet-handover-"));
    chmodSync(folder, 0o755);
    path = join(folder, "firewall.sockets");
  });
  after(() => {
    rmSync(folder, { recursive: true });
    pair.remove();
  });
  afterEach(() => {
    broker?.close();
    broker = undefined;
  });

  async function serve(uid = NOBODY): Promise<LinuxSocketHandover> {
    refusals = [];
    const started = await LinuxSocketHandover.listen({ path, uid });
    started.serve({
      decide: (request) =>
        request.interface === "eth0" || request.interface === "gone0"
          ? undefined
          : "not in the configuration",
      onRefusal: (refusal) => refusals.push(refusal),
    });
    broker = started;
    return started;
  }

  async function askAs(uid: number, interfaceName: string): Promise<string> {
    const program = join(import.meta.dirname, "ask-for-socket.ts");
    const options = { uid, gid: uid, cwd: "/" };
    const { stdout } = await run(process.execPath, [program, path, interfaceName, String(ADDRESS)], options);
    return stdout.trim();
  }

  /** Says `bytes` as root's own process and gives the code of the answer. */
  async function say(bytes: Uint8Array): Promise<string | undefined> {
    const fd = connectHandover(path);
    assert.ok(fd !== undefined);
    native().send(fd, bytes, 0);
    return answerOn(fd);
  }

  async function answerOn(fd: number, limitMilliseconds = 1000): Promise<string | undefined> {
    const bytes = new Uint8Array(HANDOVER_BYTES_MAX);
    const end = Date.now() + limitMilliseconds;
    let count = -1;
    while (count < 0 && Date.now() < end) {
      count = native().receive(fd, bytes, 0x40);
      if (count < 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    native().close(fd);
    assert.ok(count >= 0, "no answer");
    return decodeAnswer(bytes.subarray(0, count))?.code;
  }

  it("hands the DHCP socket to a process of the named user, which can use it", async () => {
    await serve();
    const place = { interfaceName: "eth0", port: 68 };
    const client = pair.inside(
      pair.client,
      () =>
        new LinuxBroadcastSocket({
          ...place,
          address: ADDRESS,
          descriptors: openBroadcastDescriptors(place),
        }),
    );
    const received = new Promise<Datagram>((resolve) =>
      client.onDatagrams(([first]) => first && resolve(first)),
    );
    assert.equal(await askAs(NOBODY, "eth0"), "sent");
    const { payload, source } = await received;
    client.close();
    assert.equal(Buffer.from(payload).toString(), `from user ${NOBODY}`);
    assert.deepEqual([String(source.address), source.port], [String(ADDRESS), 67]);
    assert.deepEqual(refusals, []);
  });

  it("keeps nothing of what it handed over, so that the next broker's client can open the port again", async () => {
    await serve();
    assert.equal(await askAs(NOBODY, "eth0"), "sent");
    assert.equal(await askAs(NOBODY, "eth0"), "sent");
  });

  it("refuses another user, and the file's mode refuses him before that", async () => {
    await serve();
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(path).uid, NOBODY);
    assert.equal(await askAs(1, "eth0"), "system-call");
    assert.equal(refusals.length, 0);
    // Root passes the mode and stands before the check of the peer's credentials.
    assert.equal(await askAs(0, "eth0"), "socket-denied");
    assert.deepEqual(
      refusals.map(({ reason, peer }) => [reason, peer?.uid]),
      [["denied", 0]],
    );
  });

  const asked: [string, string, string, string][] = [
    ["an interface that is not on the list", "eth1", "socket-denied", "denied"],
    ["an interface that does not exist", "gone0", "unavailable", "unavailable"],
  ];
  for (const [what, interfaceName, code, reason] of asked) {
    it(`answers ${code} to ${what}`, async () => {
      await serve();
      assert.equal(await askAs(NOBODY, interfaceName), code);
      assert.equal(refusals.at(-1)?.reason, reason);
    });
  }

  const garbage: [string, Uint8Array][] = [
    ["bytes that are no text", Uint8Array.of(0xff, 0xfe, 0)],
    ["text that is no JSON", encodeUtf8("give me a socket")],
    ["an array", encodeUtf8("[]")],
    ["an unknown kind", encodeUtf8('{"kind":"raw","interface":"eth0"}')],
    ["an interface with a slash", encodeUtf8('{"kind":"dhcp4","interface":"../eth0"}')],
    ["an interface of 16 characters", encodeUtf8('{"kind":"dhcp4","interface":"abcdefghijklmnop"}')],
    ["a key too many", encodeUtf8('{"kind":"dhcp4","interface":"eth0","port":1}')],
    ["a message that is too long", new Uint8Array(HANDOVER_BYTES_MAX + 1).fill(32)],
  ];
  for (const [what, bytes] of garbage) {
    it(`answers a typed error to ${what}`, async () => {
      await serve(0);
      assert.equal(await say(bytes), "protocol-violation");
      assert.deepEqual(
        refusals.map(({ reason }) => reason),
        ["malformed"],
      );
    });
  }

  it("serves others while clients keep silent, and lets the silent ones go after their time", async () => {
    await serve(0);
    const silent = Array.from({ length: CLIENT_COUNT_MAX - 1 }, () => connectHandover(path) as number);
    const started = Date.now();
    const descriptors = await requestSocket(path, { kind: "dhcp4", interface: "eth0" });
    assert.ok(Date.now() - started < REQUEST_MILLISECONDS_MAX / 4, "waited for the silent ones");
    assert.equal(descriptors.length, 2);
    for (const fd of descriptors) native().close(fd);
    const codes = await Promise.all(silent.map((fd) => answerOn(fd, REQUEST_MILLISECONDS_MAX + 1000)));
    assert.deepEqual(new Set(codes), new Set(["protocol-violation"]));
    assert.deepEqual(new Set(refusals.map(({ reason }) => reason)), new Set(["silent"]));
  });

  it(`answers busy to client ${CLIENT_COUNT_MAX + 1}`, async () => {
    await serve(0);
    const silent = Array.from({ length: CLIENT_COUNT_MAX }, () => connectHandover(path) as number);
    await assert.rejects(requestSocket(path, { kind: "dhcp4", interface: "eth0" }), {
      code: "limit-exceeded",
    });
    for (const fd of silent) native().close(fd);
    assert.equal(refusals.filter(({ reason }) => reason === "busy").length, 1);
  });

  it("survives a client that goes away before its answer", async () => {
    await serve(0);
    for (let round = 0; round < 20; round++) {
      const fd = connectHandover(path) as number;
      if (round % 2 === 0) native().send(fd, encodeUtf8('{"kind":"dhcp4","interface":"eth0"}'), 0);
      native().close(fd);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const descriptors = await requestSocket(path, { kind: "dhcp4", interface: "eth0" });
    for (const fd of descriptors) native().close(fd);
  });

  it("requestSocket() waits for a broker that starts a little later", async () => {
    const asking = requestSocket(path, { kind: "dhcp4", interface: "eth0" });
    await new Promise((resolve) => setTimeout(resolve, 80));
    await serve(0);
    for (const fd of await asking) native().close(fd);
  });

  it("requestSocket() says in time that there is no broker", async () => {
    const asking = requestSocket(path, { kind: "dhcp4", interface: "eth0" }, { timeout: milliseconds(60) });
    await assert.rejects(asking, /Cannot reach the broker at .*: ENOENT/);
  });

  it("listen() refuses a second broker, takes over from a dead one and removes only its own file", async () => {
    const first = await serve(0);
    await assert.rejects(LinuxSocketHandover.listen({ path, uid: 0 }), { code: "address-in-use" });
    first.close();
    assert.ok(!existsSync(path));
    writeFileSync(path, "not a socket");
    await assert.rejects(LinuxSocketHandover.listen({ path, uid: 0 }), /a file that is no socket is there/);
    rmSync(path);
  });
});
