import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { RulesUnsupportedError } from "#io/queue-rules.ts";
import type { LoadedScript, ScriptSpec } from "#script/engine.ts";
import { rootProblem } from "./own-namespace.ts";
import { CLIENT, LEFT, RIGHT, run, SERVER, type UdpHost } from "./packet-queue-net.ts";
import { eventually, testSpec } from "./packet-script-engine.ts";
import { ScriptLab } from "./packet-script-lab.ts";

const CASES = join(import.meta.dirname, "packet-script-cases.ts");
const SENDERS = join(import.meta.dirname, "packet-script-senders.ts");

describe("packet scripts and traffic", { skip: rootProblem() }, () => {
  const lab = new ScriptLab();
  let port = 5000;

  function spec(change: Partial<ScriptSpec> & { readonly function: string }): ScriptSpec {
    return testSpec({ name: change.function, file: CASES, isolate: change.function, ...change });
  }

  function ends(): { from: UdpHost; to: UdpHost; at: number } {
    port += 2;
    const from = lab.net.udp(lab.net.client, CLIENT[4], port);
    return { from, to: lab.net.udp(lab.net.server, SERVER[4], port + 1), at: port + 1 };
  }

  async function pass(texts: readonly string[], count = texts.length): Promise<string[]> {
    const { from, to, at } = ends();
    for (const text of texts) from.send(SERVER[4], at, text);
    return await to.receive(count);
  }

  async function listed(name: string): Promise<LoadedScript> {
    const found = (await lab.engine.list()).find((one) => one.spec.name === name);
    assert.ok(found);
    return found;
  }

  /** Some megabytes over TCP from the server to the client, told by their sums at both ends. */
  async function download(megabytes: number, to: string): Promise<{ sent: string; got: string }> {
    const serve = `
      const bytes = require("node:crypto").randomBytes(${megabytes} << 20);
      require("node:net").createServer((s) => s.end(bytes)).listen(8080, () => console.log(
        require("node:crypto").createHash("sha256").update(bytes).digest("hex")));`;
    const fetch = `
      const hash = require("node:crypto").createHash("sha256");
      require("node:net").connect(8080, "${to}").on("data", (d) => hash.update(d)).on("end", () => {
        console.log(hash.digest("hex")); process.exit(0); });
      setTimeout(() => { console.log("too slow"); process.exit(1); }, 60000);`;
    const server = spawn("ip", ["netns", "exec", lab.net.server, process.execPath, "-e", serve], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const sent = await new Promise<string>((resolve) =>
        server.stdout.once("data", (text) => resolve(`${text}`)),
      );
      const words = ["netns", "exec", lab.net.client, process.execPath, "-e", fetch];
      const { stdout } = await promisify(execFile)("ip", words);
      return { sent, got: stdout };
    } finally {
      server.kill("SIGKILL");
    }
  }

  for (const isOffloading of [false, true]) {
    test(`a NAT in two scripts, checksum offload ${isOffloading ? "on" : "off"}: what passes is whole`, async () => {
      lab.net.setOffload(isOffloading);
      run(`ip -n ${lab.net.server} route del default`);
      try {
        const isolate = "nat";
        await lab.engine.load(
          spec({
            function: "nat",
            name: "out",
            hook: "postrouting",
            outInterface: "wan0",
            isolate,
            match: "ip daddr 10.91.2.2",
          }),
        );
        await lab.engine.load(
          spec({
            function: "nat",
            name: "in",
            hook: "prerouting",
            inInterface: "wan0",
            isolate,
            match: "ip saddr 10.91.2.2",
          }),
        );
        const { sent, got } = await download(4, SERVER[4]);
        assert.equal(got, sent);
        assert.equal((await listed("out")).isWriting, true);
        const { from, to, at } = ends();
        from.send(SERVER[4], at, "hello");
        assert.deepEqual(await to.receive(1), ["hello"]);
        to.send("10.91.2.1", at - 1, "back");
        assert.deepEqual(await from.receive(1), ["back"]);
        assert.equal((await listed("in")).statistics.errors, 0);
      } finally {
        run(`ip -n ${lab.net.server} route add default via 10.91.2.1`);
        lab.net.setOffload(true);
      }
    });
  }

  test("a script that only reads sees aggregates whole, and what passes is whole", async () => {
    await lab.engine.load(spec({ function: "measures", match: "tcp sport 8080" }));
    const { sent, got } = await download(8, SERVER[4]);
    assert.equal(got, sent);
    const { isWriting, statistics } = await listed("measures");
    assert.equal(isWriting, false);
    assert.ok((statistics.counters.aggregates ?? 0) > 10, JSON.stringify(statistics.counters));
    assert.ok(statistics.bytes > 8 << 20);
  });

  test("two isolates share a map; names of interfaces and hooks are told", async () => {
    await lab.engine.load(spec({ function: "shares", name: "one", isolate: "one" }));
    await lab.engine.load(spec({ function: "shares", name: "two", isolate: "two", hook: "prerouting" }));
    assert.deepEqual(await pass(["a", "b", "a"]), ["a", "b", "a"]);
    const map = lab.engine.maps.open("seen", { key: "text", countMax: 16 }) as unknown as {
      get(key: string): number;
    };
    assert.equal(map.get("a"), 4);
    assert.equal(map.get("b"), 2);
    assert.deepEqual((await listed("one")).statistics.counters, { "at forward from lan0 to wan0": 3 });
    assert.deepEqual((await listed("two")).statistics.counters, { "at prerouting from lan0 to ": 3 });
    await lab.engine.unload("one");
    assert.deepEqual(
      lab.engine.maps.list().map(({ name }) => name),
      ["seen"],
    );
    await lab.engine.unload("two");
    assert.deepEqual(lab.engine.maps.list(), []);
  });

  test("two queues have an isolate each, and connections are spread over them", async () => {
    await lab.engine.load(spec({ function: "shares", queueCount: 2 }));
    const pairs = Array.from({ length: 24 }, ends);
    for (const { from, at } of pairs) from.send(SERVER[4], at, "q");
    for (const { to } of pairs) assert.deepEqual(await to.receive(1), ["q"]);
    const { statistics } = await listed("shares");
    assert.equal(statistics.packets, 24);
    await assert.rejects(
      lab.engine.load(spec({ function: "measures", isolate: "shares" })),
      /Cannot load measures with 1 queues: isolate shares has 2; take as many, or another isolate/,
    );
  });

  test("connections and their marks are read and written", async () => {
    await lab.engine.load(spec({ function: "tracks", match: "udp sport 4000-9999" }));
    assert.deepEqual(lab.engine.log, []);
    const { from, to, at } = ends();
    for (const text of ["1", "2"]) {
      from.send(SERVER[4], at, text);
      assert.deepEqual(await to.receive(1), [text]);
    }
    to.send(CLIENT[4], at - 1, "3");
    assert.deepEqual(await from.receive(1), ["3"]);
    const { counters } = (await listed("tracks")).statistics;
    assert.equal(counters["new original 0"], 1);
    assert.equal(counters["established reply 4660"], 1, JSON.stringify(counters));
  });

  test("send: built packets, copies, delays, frames; scripts do not meet what scripts send", async () => {
    await lab.engine.load(spec({ function: "sends", file: SENDERS }));
    assert.deepEqual(await pass(["b"], 2), ["built", "built"]);
    assert.deepEqual(await pass(["2x"], 3), ["2x", "2x", "2x"]);
    assert.deepEqual(await pass(["ox"], 1), ["ox"]);
    const { statistics } = await listed("sends");
    assert.deepEqual([statistics.packets, statistics.sent, statistics.deferred], [3, 5, 1]);
    await lab.engine.unload("sends");
    await lab.engine.load(spec({ function: "sendsFrames", file: SENDERS }));
    assert.deepEqual((await pass(["f1", "c1"], 2)).sort(), ["c1", "f1"]);
  });

  test("a bridge's packets are read and changed", async (t) => {
    const [from, to] = [lab.net.udp(lab.net.left, LEFT, 4100), lab.net.udp(lab.net.right, RIGHT, 4101)];
    try {
      await lab.engine.load(spec({ function: "capitals", family: "bridge" }));
    } catch (error) {
      if (!(error instanceof RulesUnsupportedError)) throw error;
      // The other way that the message names.
      t.diagnostic(error.message);
      run("ip link set br0 type bridge nf_call_iptables 1");
      await lab.engine.load(spec({ function: "capitals" }));
    }
    from.send(RIGHT, 4101, "bridged");
    assert.deepEqual(await to.receive(1), ["BRIDGED"]);
    assert.equal((await listed("capitals")).statistics.packets, 1);
  });

  test("defer runs behind the packets that are here, in turns", async () => {
    await lab.engine.load(spec({ function: "puts" }));
    assert.deepEqual(await pass(["a"]), ["a"]);
    await eventually(
      () => lab.engine.log.includes("puts: a deferred"),
      () => lab.engine.log.join(),
    );
  });

  test("reload fifty times under load: nothing is lost, nothing goes unseen", {
    timeout: 120_000,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "packet-script-"));
    const file = join(folder, "signs.ts");
    const write = (version: number): void =>
      writeFileSync(
        file,
        `import { accept, type Packet, udp } from "metanet/script";
         export const options = { writes: true, connection: false };
         export function signs(packet: Packet) {
           packet.find(udp)?.payload().setUint8(0, 0x56);
           packet.find(udp)?.payload().setUint8(1, ${version});
           return accept;
         }`,
      );
    const { from, to, at } = ends();
    let isOver = false;
    const counts = { sent: 0, seen: 0, unseen: 0 };
    const versions = new Set<number>();
    const take = (host: UdpHost): void => {
      for (const text of host.received()) {
        if (text.startsWith("V")) counts.seen++;
        else counts.unseen++;
        versions.add(text.charCodeAt(1));
      }
    };
    const load = async (): Promise<void> => {
      while (!isOver) {
        // Fewer on their way than a receiver has room for, so that what is missing was lost on the way.
        for (let index = 0; index < 40 && counts.sent - counts.seen - counts.unseen < 400; index++) {
          from.send(SERVER[4], at, "__ there");
          to.send(CLIENT[4], at - 1, "__ back");
          counts.sent += 2;
        }
        take(from);
        take(to);
        await pause(1);
      }
    };
    try {
      write(0);
      const wanted = spec({ function: "signs", file, match: "udp dport 4000-9999" });
      await lab.engine.load(wanted);
      const loading = load();
      for (let version = 1; version <= 50; version++) {
        write(version);
        // Every tenth time another queue, by another rule.
        const { version: now } = await lab.engine.load(
          version % 10 === 0 ? { ...wanted, onError: "accept" } : wanted,
        );
        assert.equal(now, version + 1);
      }
      isOver = true;
      await loading;
      await eventually(
        () => {
          take(from);
          take(to);
          return counts.seen + counts.unseen >= counts.sent;
        },
        () => JSON.stringify(counts),
      );
      const { statistics } = await listed("signs");
      assert.deepEqual(
        { ...counts, packets: statistics.packets },
        { sent: counts.sent, seen: counts.sent, unseen: 0, packets: counts.sent },
      );
      assert.ok(versions.size > 40, `${versions.size} versions were seen`);
      // A version that cannot be loaded changes nothing.
      writeFileSync(file, "export function signs( {");
      await assert.rejects(lab.engine.load(wanted), /Cannot load/);
      writeFileSync(file, "for (;;);");
      await assert.rejects(lab.engine.load(wanted), /does it loop while it is loaded/);
      from.send(SERVER[4], at, "__ there");
      assert.match((await to.receive(1))[0] ?? "", /^V/);
      assert.equal((await listed("signs")).version, 51);
    } finally {
      isOver = true;
      rmSync(folder, { recursive: true });
    }
  });

  for (const onError of ["drop", "accept"] as const) {
    test(`kill -9 of the engine: ${onError} at once`, async (context) => {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, "packet-script-child.ts"), CASES, onError],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
      assert.deepEqual(await pass(["d", "c"], 1), ["c"]);
      child.kill("SIGKILL");
      const killed = performance.now();
      const { from, to, at } = ends();
      let first: number | undefined;
      // A machine that is busy needs more than a moment to end a process.
      const patience = onError === "accept" ? 10_000 : 1000;
      while (first === undefined && performance.now() - killed < patience) {
        from.send(SERVER[4], at, "d");
        await pause(10);
        if (to.received().length > 0) first = performance.now() - killed;
      }
      context.diagnostic(first === undefined ? "no packet" : `first packet after ${first.toFixed(0)} ms`);
      assert.equal(first !== undefined, onError === "accept");
      // The next engine finds what was left, and clears it away.
      await lab.engine.load(spec({ function: "byLetter" }));
      await lab.engine.unload("byLetter");
      assert.deepEqual(await pass(["d"]), ["d"]);
    });
  }

  test("unload and close leave nothing behind", async () => {
    await lab.engine.load(spec({ function: "byLetterLater" }));
    const { from, to, at } = ends();
    from.send(SERVER[4], at, "s");
    await pause(20);
    // What is held gets its verdict first.
    assert.equal(await lab.engine.unload("byLetterLater"), true);
    assert.deepEqual(await to.receive(1), ["s"]);
    assert.equal(await lab.engine.unload("byLetterLater"), false);
    assert.doesNotMatch(run("nft list tables"), /metanet-scripts$/m);
  });
});
