import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { milliseconds } from "#base/time.ts";
import { ConntrackTable } from "#linux/packet-queue-conntrack.ts";
import type { ScriptSpec } from "#script/engine.ts";
import { ConntrackStatus } from "#wire/conntrack.ts";
import { rootProblem } from "./own-namespace.ts";
import { CLIENT, run, SERVER, type UdpHost, type Version } from "./packet-queue-net.ts";
import { eventually, testSpec } from "./packet-script-engine.ts";
import { ScriptLab } from "./packet-script-lab.ts";

const CASES = join(import.meta.dirname, "packet-script-connection-cases.ts");
/** An address that nobody has; a translation makes the server's of it. */
const VIRTUAL = "10.91.2.77";
const ROUTER = "10.91.1.1";
const RELAYED = "10.91.2.1";

describe("packet scripts and connections", { skip: rootProblem() }, () => {
  // Before the lab unloads them.
  afterEach(async () => {
    for (const { statistics } of await lab.engine.list()) {
      assert.equal(statistics.errors, 0, JSON.stringify(statistics.faults));
    }
    assert.deepEqual(lab.engine.log.splice(0), []);
    for (const table of ["translated", "watched", "raw"]) {
      try {
        run(`nft delete table inet ${table}`);
      } catch {
        // Not every test has it.
      }
    }
  });
  const lab = new ScriptLab();
  let port = 5000;

  async function load(change: Partial<ScriptSpec> & { readonly function: string }): Promise<void> {
    const own = { name: change.function, file: CASES, isolate: "connections", timeLimit: milliseconds(500) };
    await lab.engine.load(testSpec({ ...own, ...change }));
  }

  function ends(version: Version = 4): { from: UdpHost; to: UdpHost; at: number } {
    port += 2;
    const from = lab.net.udp(lab.net.client, CLIENT[version], port);
    return { from, to: lab.net.udp(lab.net.server, SERVER[version], port + 1), at: port + 1 };
  }

  /** Waits until the script's counters say so many packets in all. */
  async function counted(name: string, count: number): Promise<void> {
    let counts: Readonly<Record<string, number>> = {};
    await eventually(
      async () => {
        counts = await counters(name);
        return Object.values(counts).reduce((sum, one) => sum + one, 0) >= count;
      },
      () => `${name}: ${JSON.stringify(counts)}`,
    );
  }

  async function counters(name: string): Promise<Readonly<Record<string, number>>> {
    const found = (await lab.engine.list()).find((one) => one.spec.name === name);
    assert.ok(found);
    return found.statistics.counters;
  }

  /** Rules of our own beside the scripts'. */
  function nft(table: string, ...lines: string[]): void {
    run(`nft add table inet ${table}`);
    for (const line of lines) run(`nft add ${line.replace("TABLE", `inet ${table}`)}`);
  }

  for (const version of [4, 6] as const) {
    test(`IPv${version}: the first packet, the second, the answer, and what follows it`, async () => {
      await load({ function: "tells" });
      const { from, to, at } = ends(version);
      for (const text of ["1", "2"]) {
        from.send(SERVER[version], at, text);
        assert.deepEqual(await to.receive(1), [text]);
      }
      to.send(CLIENT[version], at - 1, "3");
      assert.deepEqual(await from.receive(1), ["3"]);
      from.send(SERVER[version], at, "4");
      assert.deepEqual(await to.receive(1), ["4"]);
      assert.deepEqual(await counters("tells"), {
        "1 new original unknown 0": 1,
        "2 new original known 0": 1,
        "3 established reply known 0": 1,
        "4 established original known 0": 1,
      });
    });

    test(`IPv${version}: datagrams in fragments are whole for scripts, and have their connection`, async () => {
      await load({ function: "tells" });
      const { from, to, at } = ends(version);
      const long = "f".repeat(4000);
      from.send(SERVER[version], at, long);
      assert.deepEqual(await to.receive(1), [long]);
      from.send(SERVER[version], at, long);
      assert.deepEqual(await to.receive(1), [long]);
      const counted = await counters("tells");
      assert.deepEqual(counted, { "f new original unknown 0": 1, "f new original known 0": 1 });
    });

    test(`IPv${version}: a mark set on a first packet is seen by nft and by scripts, on the answer`, async () => {
      nft(
        "watched",
        "counter TABLE seen",
        "chain TABLE c { type filter hook forward priority 10 ; }",
        `rule TABLE c ct mark ${port + 3} ct direction reply counter name seen`,
      );
      // Two scripts: the one behind sees what the one in front has set, before the kernel does.
      await load({ function: "marks" });
      await load({ function: "tells" });
      const { from, to, at } = ends(version);
      from.send(SERVER[version], at, "1");
      assert.deepEqual(await to.receive(1), ["1"]);
      to.send(CLIENT[version], at - 1, "2");
      assert.deepEqual(await from.receive(1), ["2"]);
      assert.deepEqual(await counters("tells"), {
        [`1 new original unknown ${at}`]: 1,
        [`2 established reply known ${at}`]: 1,
      });
      assert.match(run("nft list counter inet watched seen"), /packets 1 /);
      assert.deepEqual(await counters("marks"), {});
    });
  }

  const TRANSLATIONS: readonly (readonly [name: string, target: string, reply: string, lines: string[]])[] = [
    ["none", SERVER[4], CLIENT[4], []],
    ["of the source", SERVER[4], RELAYED, ["source"]],
    ["of the destination", VIRTUAL, CLIENT[4], ["target"]],
    ["of both", VIRTUAL, RELAYED, ["source", "target"]],
  ];
  for (const [name, target, replyTo, which] of TRANSLATIONS) {
    for (const hook of ["prerouting", "forward", "postrouting"] as const) {
      test(`translation ${name}, at ${hook}: the connection is found from both sides`, async () => {
        if (which.includes("source")) {
          nft("translated", "chain TABLE s { type nat hook postrouting priority 100 ; }");
          nft("translated", "rule TABLE s oifname wan0 masquerade");
        }
        if (which.includes("target")) {
          nft("translated", "chain TABLE t { type nat hook prerouting priority -100 ; }");
          nft("translated", `rule TABLE t ip daddr ${VIRTUAL} dnat ip to ${SERVER[4]}`);
        }
        await load({ function: "marks", hook });
        await load({ function: "tells", hook });
        await load({ function: "addresses", hook });
        const { from, to, at } = ends();
        from.send(target, at, "1");
        assert.deepEqual(await to.receive(1), ["1"]);
        to.send(replyTo, at - 1, "2");
        assert.deepEqual(await from.receive(1), ["2"]);
        from.send(target, at, "3");
        assert.deepEqual(await to.receive(1), ["3"]);
        assert.deepEqual(await counters("tells"), {
          [`1 new original unknown ${at}`]: 1,
          [`2 established reply known ${at}`]: 1,
          [`3 established original known ${at}`]: 1,
        });
        const known = Object.keys(await counters("addresses")).filter((text) => !text.startsWith("1"));
        const way = `${CLIENT[4]}>${target} ${SERVER[4]}>${replyTo}`;
        assert.deepEqual(known, [`2 ${way}`, `3 ${way}`]);
        assert.deepEqual(await counters("marks"), {});
      });
    }
  }

  test("at input and output, for this machine's own sockets", async () => {
    await load({ function: "tells", name: "in", hook: "input" });
    await load({ function: "tells", name: "out", hook: "output" });
    port += 2;
    const [from, own] = [lab.net.udp(lab.net.client, CLIENT[4], port), lab.net.ownUdp(ROUTER, port + 1)];
    from.send(ROUTER, port + 1, "1");
    assert.deepEqual(await own.receive(1), ["1"]);
    own.send(CLIENT[4], port, "2");
    assert.deepEqual(await from.receive(1), ["2"]);
    own.send(SERVER[4], port, "3");
    await counted("out", 2);
    assert.deepEqual(await counters("in"), { "1 new original unknown 0": 1 });
    assert.deepEqual(await counters("out"), {
      "2 established reply known 0": 1,
      "3 new original unknown 0": 1,
    });
  });

  test("TCP: both handshakes and the rest, with many packets in a batch", async () => {
    await load({ function: "segments", match: "tcp dport 8081" });
    await load({ function: "segments", name: "back", match: "tcp sport 8081" });
    const serve = `require("node:net").createServer((s) => s.end(Buffer.alloc(1 << 20))).listen(8081, () => console.log("on"))`;
    const fetch = `let n = 0; require("node:net").connect(8081, "${SERVER[4]}").on("data", (d) => (n += d.length)).on("end", () => { console.log(n); process.exit(); })`;
    const server = spawn("ip", ["netns", "exec", lab.net.server, process.execPath, "-e", serve], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await new Promise((resolve) => server.stdout.once("data", resolve));
      const words = ["netns", "exec", lab.net.client, process.execPath, "-e", fetch];
      const { stdout } = await promisify(execFile)("ip", words, { timeout: 20_000 });
      assert.equal(stdout.trim(), String(1 << 20));
    } finally {
      server.kill("SIGKILL");
    }
    const [there, back] = [await counters("segments"), await counters("back")];
    assert.equal(there["syn new original unknown"], 1);
    assert.ok((there["other established original known"] ?? 0) > 2);
    assert.deepEqual(Object.keys(there).length, 2, JSON.stringify(there));
    assert.equal(back["syn-ack established reply known"], 1);
    assert.deepEqual(Object.keys(back).length, 2, JSON.stringify(back));
  });

  test("ICMP: an echo has its identifier, an error belongs to what it is about", async () => {
    await load({ function: "messages", match: "ip protocol icmp" });
    await load({ function: "messages", name: "six", match: "icmpv6 type 1-129" });
    run(`ip netns exec ${lab.net.client} ping -qc 1 ${SERVER[4]}`);
    run(`ip netns exec ${lab.net.client} ping -qc 1 ${SERVER[6]}`);
    port += 2;
    for (const version of [4, 6] as const) {
      lab.net.udp(lab.net.client, CLIENT[version], port).send(SERVER[version], port + 1, "nobody");
    }
    for (const name of ["messages", "six"]) await counted(name, 3);
    assert.deepEqual(await counters("messages"), {
      "new original unknown 1 identifier false": 1,
      "established reply known 1 identifier false": 1,
      [`related reply known 17 port ${port + 1} false`]: 1,
    });
    assert.deepEqual(await counters("six"), {
      "new original unknown 58 identifier false": 1,
      "established reply known 58 identifier false": 1,
      [`related reply known 17 port ${port + 1} false`]: 1,
    });
  });

  test("a mark set while the first packet is held is put on its connection", async () => {
    await load({ function: "marksLater" });
    const { from, to, at } = ends();
    from.send(SERVER[4], at, "1");
    assert.deepEqual(await to.receive(1), ["1"]);
    await load({ function: "tells" });
    to.send(CLIENT[4], at - 1, "2");
    assert.deepEqual(await from.receive(1), ["2"]);
    assert.deepEqual(await counters("tells"), { [`2 established reply known ${at}`]: 1 });
  });

  test("a first packet that never passes has no connection: its mark is counted as lost", async () => {
    nft(
      "watched",
      "chain TABLE c { type filter hook forward priority 10 ; }",
      "rule TABLE c udp dport 9999 drop",
    );
    await load({ function: "marks" });
    ends().from.send(SERVER[4], 9999, "1");
    await eventually(async () => (await counters("marks"))["connection marks lost"] === 1);
    assert.deepEqual(await counters("marks"), { "connection marks lost": 1 });
  });

  test("a thousand connections get a thousand marks", async () => {
    await load({ function: "marks" });
    port += 2;
    const from = lab.net.udp(lab.net.client, CLIENT[4], port);
    for (let index = 0; index < 1000; index++) from.send(SERVER[4], 8000 + index, "1");
    await pause(500);
    await load({ function: "ports" });
    for (let index = 0; index < 1000; index++) from.send(SERVER[4], 8000 + index, "2");
    await counted("ports", 1000);
    const table = new ConntrackTable();
    try {
      const marked = table
        .list(ConntrackStatus.confirmed)
        .filter(({ original, mark }) => original.sourcePort === port && original.targetPort === mark);
      assert.equal(marked.length, 1000);
    } finally {
      table.close();
    }
    assert.deepEqual(await counters("marks"), {});
    assert.deepEqual(await counters("ports"), { "new original known marked": 1000 });
  });

  test("what nobody tracks is told as new each time", async () => {
    nft(
      "raw",
      "chain TABLE c { type filter hook prerouting priority -300 ; }",
      "rule TABLE c udp dport 4000-9999 notrack",
    );
    await load({ function: "tells" });
    const { from, to, at } = ends();
    for (const text of ["1", "2"]) from.send(SERVER[4], at, text);
    assert.deepEqual(await to.receive(2), ["1", "2"]);
    assert.deepEqual(await counters("tells"), {
      "1 new original unknown 0": 1,
      "2 new original unknown 0": 1,
    });
  });

  test("a script that writes has the connection of the packet as it came", async () => {
    await load({ function: "rewrites", hook: "prerouting" });
    const { from, to, at } = ends();
    from.send(VIRTUAL, at, "r");
    assert.deepEqual(await to.receive(1), ["r"]);
    assert.deepEqual(await counters("rewrites"), { [`r to ${VIRTUAL}`]: 1 });
  });
});
