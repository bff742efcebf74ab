/**
 * Links between real processes over Unix sockets: what a stopped, killed, slow or babbling one does to the others.
 * @module
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AddressInUseError, NoAccessError, PathTooLongError } from "#io/stream.ts";
import { OverflowError } from "#mailbox/errors.ts";
import { answer, stop } from "#mailbox/verdict.ts";
import { Machine } from "./real-process.ts";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.end());

async function until(done: () => boolean, what: string, limit = 5000): Promise<void> {
  const end = Date.now() + limit;
  while (!done() && Date.now() < end) await sleep(2);
  assert.ok(done(), what);
}

test("a listener in another process decides", async () => {
  const { bus } = await machine.join("owner");
  let provided = 0;
  bus.provide("/x", () => {
    provided++;
    return stop;
  });
  const child = await machine.start({ name: "hook", role: "listener", mailbox: "owner:/x", answers: "stop" });
  const shown = once(child, "message");
  await bus.send("/x", { n: 1 });
  assert.deepEqual((await shown)[0], { n: 1, sender: "owner" });
  assert.equal(provided, 0);
  await machine.start({ name: "second", role: "listener", mailbox: "owner:/y", answers: "at-once" });
  bus.provide("/y", () => answer({ from: "owner" }));
  assert.equal((await bus.call("/y", {})).get("from"), "owner");
});

test("a stopped listener (SIGSTOP) parks its message until the time-out, and nothing else", async (t) => {
  const { bus } = await machine.join("owner");
  const done: unknown[] = [];
  bus.provide("/x", (message) => {
    done.push(message.get("n"));
    return stop;
  });
  bus.provide("/y", (message) => {
    done.push(message.get("n"));
    return stop;
  });
  const child = await machine.start({ name: "hook", role: "listener", mailbox: "owner:/x" });
  await bus.send("/x", { n: 0 });
  child.kill("SIGSTOP");
  const started = performance.now();
  const parked = bus.send("/x", { n: 1 });
  bus.send("/y", { n: 2 });
  assert.deepEqual(done, [0, 2]);
  await parked;
  const took = performance.now() - started;
  t.diagnostic(`the parked message went on after ${took.toFixed(1)} ms; its time-out is 250 ms`);
  assert.deepEqual(done, [0, 2, 1]);
  assert.ok(took >= 245 && took < 1000, `${took} ms`);
  // After three time-outs in a row nobody waits for it any more, until it shows life again.
  await bus.send("/x", { n: 3 });
  await bus.send("/x", { n: 4 });
  const suspended = performance.now();
  await bus.send("/x", { n: 5 });
  assert.ok(performance.now() - suspended < 100);
  child.kill("SIGCONT");
});

test("kill -9 of a listener lets its parked messages go on at once", async (t) => {
  const { bus } = await machine.join("owner");
  bus.provide("/x", () => stop);
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const child = await machine.start({
      name: "hook",
      role: "listener",
      mailbox: "owner:/x",
      answers: "never",
      timeoutMilliseconds: 2000,
    });
    const shown = once(child, "message");
    const parked = Promise.all([bus.send("/x", { n: 1 }), bus.send("/x", { n: 2 })]);
    await shown;
    const killed = performance.now();
    child.kill("SIGKILL");
    await parked;
    times.push(performance.now() - killed);
    await once(child, "exit").catch(() => undefined);
  }
  times.sort((left, right) => left - right);
  const [median = 0, worst = 0] = [times[2], times[4]];
  t.diagnostic(
    `from kill -9 to the next listener: median ${median.toFixed(1)} ms, worst ${worst.toFixed(1)} ms`,
  );
  // 20 ms are promised from the link's death; this counts the kernel's clean-up of the process as well.
  assert.ok(median < 100, `median ${median} ms`);
  assert.ok(worst < 1000, `worst ${worst} ms`);
});

test("a reader that does not keep up costs its sender OverflowError, and others nothing", async () => {
  const { bus, links } = await machine.join("sender");
  const slow = await machine.start({ name: "slow", role: "owner", mailbox: "/x" });
  await machine.start({ name: "quick", role: "owner", mailbox: "/x" });
  await bus.call("slow:/x", {});
  await bus.call("quick:/x", {});
  slow.kill("SIGSTOP");
  const blob = new Uint8Array(10_000);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 200 }, (_, n) => bus.send("slow:/x", { n, blob }) as Promise<undefined>),
  );
  const full = outcomes.filter((one) => one.status === "rejected" && one.reason instanceof OverflowError);
  assert.ok(full.length > 50 && full.length < 200, `${full.length} were refused`);
  const report = links.describe().find((link) => link.peer === "slow");
  assert.equal(report?.overflows, full.length);
  assert.equal((await bus.call("quick:/x", { n: 5 })).get("n"), 5);
  slow.kill("SIGCONT");
  await until(() => links.describe().every((link) => link.waitingBytes === 0), "the queue empties");
  assert.equal((await bus.call("slow:/x", { n: 6 })).get("n"), 6);
});

test("an observer that is stopped loses copies, and holds nobody up", async () => {
  const { bus, links } = await machine.join("owner");
  bus.open("/x", { kind: "event" });
  const child = await machine.start({ name: "watch", role: "observer", mailbox: "owner:/x" });
  child.kill("SIGSTOP");
  const blob = new Uint8Array(10_000);
  for (let n = 0; n < 100; n++) assert.equal(bus.send("/x", { n, blob }), undefined);
  assert.ok((links.describe()[0]?.copiesDropped ?? 0) > 50);
  child.kill("SIGCONT");
});

test("a listener gets its slot back when the owner is killed and started again", async () => {
  const { bus } = await machine.join("hook");
  const owner = await machine.start({ name: "owner", role: "owner", mailbox: "/x" });
  const asked: unknown[] = [];
  const attachment = await bus.before(
    "owner:/x",
    "log",
    "mine",
    (message) => void asked.push(message.get("n")),
  );
  assert.equal(attachment.state, "attached");
  await bus.call("owner:/x", { n: 1 });
  owner.kill("SIGKILL");
  await until(() => attachment.state === "waiting", "the loss is noticed");
  await machine.start({ name: "owner", role: "owner", mailbox: "/x" });
  await until(() => attachment.state === "attached", "it is attached again");
  await bus.call("owner:/x", { n: 2 });
  assert.deepEqual(asked, [1, 2]);
});

test("attaching to a process that does not run yet waits for it", async () => {
  const { bus } = await machine.join("hook");
  const asked: unknown[] = [];
  const attachment = await bus.prepend("late:/x", "mine", (message) => void asked.push(message.get("n")));
  assert.equal(attachment.state, "waiting");
  await machine.start({ name: "late", role: "owner", mailbox: "/x" });
  await until(() => attachment.state === "attached", "it is attached");
  await bus.call("late:/x", { n: 1 });
  assert.deepEqual(asked, [1]);
});

test("a second process of a living one's name is refused, a dead one's socket is taken over", async () => {
  const child = await machine.start({ name: "owner", role: "owner", mailbox: "/x" });
  await assert.rejects(machine.join("owner"), (error: unknown) => {
    assert.ok(error instanceof AddressInUseError);
    assert.match(error.message, new RegExp(`process ${child.pid} of this name is running`));
    return true;
  });
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.ok(existsSync(join(machine.run, "owner")));
  const { bus } = await machine.join("owner");
  bus.provide("/y", () => answer({ new: true }));
  const other = await machine.join("other");
  assert.equal((await other.bus.call("owner:/y", {})).get("new"), true);
});

test("a run directory that makes the path too long is a clear error", async () => {
  const runDirectory = join(machine.run, "a".repeat(100));
  await assert.rejects(machine.join("owner", { runDirectory }), (error: unknown) => {
    assert.ok(error instanceof PathTooLongError);
    assert.match(error.message, /at most 107 fit; use a shorter run directory/);
    return true;
  });
});

const GARBAGE: readonly [string, Uint8Array, RegExp][] = [
  ["text", new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), /outside 16..4096/],
  ["a frame that is too short", Uint8Array.of(1, 0, 0, 0), /outside 16/],
  [
    "a frame before HELLO",
    Uint8Array.from([13, 0, 0, 0, 2, 0, 255, 255, ...new Array(8).fill(0), 0x80]),
    /HELLO has to come first/,
  ],
  [
    "an unknown flag",
    Uint8Array.from([13, 0, 0, 0, 1, 0x80, 255, 255, ...new Array(8).fill(0), 0x80]),
    /unknown flags 0x80/,
  ],
];
for (const [what, bytes, text] of GARBAGE) {
  test(`${what} on the socket ends that link with an ERROR frame, and no other`, async () => {
    const { bus, links } = await machine.join("owner");
    bus.provide("/x", () => answer({}));
    const other = await machine.join("other");
    await other.bus.call("owner:/x", {});
    const socket = connect(join(machine.run, "owner"));
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    socket.write(bytes);
    await once(socket, "close");
    assert.match(received, text);
    assert.equal(links.totals().violations, 1);
    await other.bus.call("owner:/x", {});
    assert.equal(links.describe().length, 1);
  });
}

test("a client that connects and says nothing is let go after five seconds", {
  timeout: 20_000,
}, async () => {
  const { links } = await machine.join("owner");
  const socket = connect(join(machine.run, "owner"));
  socket.resume();
  await once(socket, "connect");
  await once(socket, "close");
  assert.equal(links.describe().length, 0);
});

const isRoot = process.getuid?.() === 0;
test("another user is denied what the rights table does not grant, by the kernel's word for who it is", {
  skip: isRoot ? false : "needs root to start a process of another user",
}, async () => {
  const rules = [{ prefix: "/open", may: ["send"], uids: [65_534] }] as const;
  const { bus } = await machine.join("owner", { rights: { uid: 0, rules }, socket: { mode: 0o666 } });
  await machine.join("closed");
  bus.provide("/open", () => answer({ ok: true }));
  bus.provide("/shut", () => answer({ ok: true }));
  const outcome = await machine.runAs(65_534, ["owner:/open", "owner:/shut", "closed:/x"]);
  assert.deepEqual(outcome, ["ok", "denied", "denied"]);
});

test("another user does not come in under a name that is kept for somebody else", {
  skip: isRoot ? false : "needs root to start a process of another user",
}, async () => {
  const rules = [{ prefix: "/open", may: ["send"], uids: [65_534] }] as const;
  const open = { rights: { uid: 0, rules }, socket: { mode: 0o666 } } as const;
  const asked: unknown[] = [];
  const keep = (name: string, { uid }: { uid: number }): boolean => {
    asked.push([name, uid]);
    return false;
  };
  const { bus, links } = await machine.join("owner", { ...open, isNameOf: keep });
  bus.provide("/open", () => answer({}));
  const friend = await machine.join("friend");
  await friend.bus.call("owner:/open", {});
  assert.notDeepEqual(await machine.runAs(65_534, ["owner:/open"]), ["ok"]);
  assert.deepEqual(asked, [["stranger", 65_534]]);
  assert.deepEqual(
    links.describe().map(({ peer }) => peer),
    ["friend"],
  );
});

test("a process that may not make a socket takes part all the same when it says that nobody needs to find it", {
  skip: isRoot ? false : "needs root to become another user",
}, async (t) => {
  const rules = [{ prefix: "/", may: ["send", "intercept"], uids: [65_534] }] as const;
  const { bus } = await machine.join("owner", { rights: { uid: 0, rules }, socket: { mode: 0o666 } });
  bus.open("/x");
  chmodSync(machine.run, 0o755);
  process.seteuid?.(65_534);
  t.after(() => process.seteuid?.(0));
  await assert.rejects(machine.join("guest"), NoAccessError);
  const guest = await machine.join("guest", { mustListen: false });
  process.seteuid?.(0);
  assert.deepEqual(readdirSync(machine.run), ["owner"]);
  await guest.bus.prepend("owner:/x", "hook", () => answer({ from: "guest" }));
  assert.equal((await bus.call("/x", {})).get("from"), "guest");
});
