/**
 * What a hostile or odd network sends, through scripts that read all of it and write to it.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import { fold, sumWords } from "#base/checksum.ts";
import { parseHex } from "#base/hex.ts";
import { milliseconds } from "#base/time.ts";
import { inNamespace } from "#linux/namespace.ts";
import { native } from "#linux/native.ts";
import { LinuxPacketSender } from "#linux/packet-sender.ts";
import type { LoadedScript, ScriptSpec } from "#script/engine.ts";
import { corpusOf, spoiledBytes } from "../../fuzz/target.ts";
import { rootProblem } from "./own-namespace.ts";
import { CLIENT, run, SERVER, type UdpHost, type Version } from "./packet-queue-net.ts";
import { ScriptLab } from "./packet-script-lab.ts";

const CASES = join(import.meta.dirname, "packet-faults-network-cases.ts");
const FRAME_COUNT = 3000;
const ETHERNET_BYTES = 14;

describe("odd packets through scripts", { skip: rootProblem() }, () => {
  const lab = new ScriptLab();
  let port = 4000;

  function spec(change: Partial<ScriptSpec> & { readonly function: string }): ScriptSpec {
    return {
      name: "case",
      file: CASES,
      hook: "prerouting",
      family: "inet",
      inInterface: "lan0",
      isolate: "case",
      onError: "drop",
      queueCount: 1,
      deadline: milliseconds(300),
      timeLimit: milliseconds(2000),
      ...change,
    };
  }

  async function listed(): Promise<LoadedScript> {
    const [found] = await lab.engine.list();
    assert.ok(found);
    return found;
  }

  function ends(version: Version): { from: UdpHost; to: UdpHost; at: number } {
    port += 2;
    const from = lab.net.udp(lab.net.client, CLIENT[version], port);
    return { from, to: lab.net.udp(lab.net.server, SERVER[version], port + 1), at: port + 1 };
  }

  test(`${FRAME_COUNT} spoiled packets: nothing fails, and what was right stays right`, async (context) => {
    const seed = Date.now() & 0x7fff_ffff;
    context.diagnostic(`seed ${seed}`);
    const corpus = corpusOf("packet").map(parseHex);
    const frames = [...corpus, ...fc.sample(spoiledBytes(corpus), { numRuns: FRAME_COUNT, seed })];
    const router = parseHex(JSON.parse(run("ip -j link show lan0"))[0].address.replaceAll(":", ""));
    await lab.engine.load(spec({ function: "changes" }));
    const { sender, index } = inNamespace(lab.net.client, () => ({
      sender: new LinuxPacketSender(),
      index: native().interfaceIndex("eth0"),
    }));
    let sentCount = 0;
    for (const frame of frames) {
      if (frame.length < ETHERNET_BYTES + 20) continue;
      const bytes = Uint8Array.from(frame.subarray(0, 1500));
      bytes.set(router, 0);
      mendHeader(bytes);
      sentCount += sender.sendFrames(index, [[bytes]]);
      if (sentCount % 64 === 0) await pause(2);
    }
    sender.close();
    await pause(500);
    const { state, statistics } = await listed();
    const { counters } = statistics;
    context.diagnostic(
      `${statistics.packets} of ${sentCount} came to the script, ${JSON.stringify(counters)}`,
    );
    assert.equal(state, "running");
    assert.deepEqual(statistics.faults, []);
    assert.ok(statistics.packets > sentCount / 8, `${statistics.packets} of ${sentCount}`);
    assert.ok((counters["before good"] ?? 0) > 200 && (counters["before bad"] ?? 0) > 50);
    assert.ok((counters["after good"] ?? 0) >= (counters["before good"] ?? 0));
    const { from, to, at } = ends(4);
    from.send(SERVER[4], at, "a");
    assert.deepEqual(await to.receive(1), ["A"]);
  });

  for (const version of [4, 6] as const) {
    test(`fragments over IPv${version}: one by one, and whole where connections are tracked`, async () => {
      const [pieces, whole] = version === 4 ? [3, 4028] : [3, 4048];
      await lab.engine.load(
        spec({ function: "tellsLengths", match: `ip${version === 4 ? "" : "6"} version ${version}` }),
      );
      const { from, to, at } = ends(version);
      const text = "f".repeat(4000);
      from.send(SERVER[version], at, text);
      assert.deepEqual(await to.receive(1), [text]);
      // IPv6's neighbours speak as well.
      const names = Object.keys((await listed()).statistics.counters).filter((name) =>
        name.startsWith("fragment"),
      );
      assert.equal(names.length, pieces, names.join());
      assert.equal(names.filter((name) => !name.endsWith("no udp")).length, 1);
      // The checksum in the first fragment is that of all of them.
      await lab.engine.load(spec({ function: "changes" }));
      from.send(SERVER[version], at, text);
      assert.deepEqual(await to.receive(1), [`F${text.slice(1)}`]);
      run("nft add table inet tracking");
      run("nft add chain inet tracking forward { type filter hook forward priority 0 ; }");
      run("nft add rule inet tracking forward ct state invalid counter");
      try {
        await lab.engine.load(spec({ function: "changes" }));
        from.send(SERVER[version], at, text);
        assert.deepEqual(await to.receive(1), [`F${text.slice(1)}`]);
        await lab.engine.load(spec({ function: "tellsLengths" }));
        from.send(SERVER[version], at, text);
        assert.deepEqual(await to.receive(1), [text]);
        assert.equal((await listed()).statistics.counters[`whole ${whole} udp`], 1);
      } finally {
        run("nft delete table inet tracking");
      }
    });
  }

  for (const isOffloading of [false, true]) {
    test(`empty, jumbo and growing datagrams, checksum offload ${isOffloading ? "on" : "off"}`, async () => {
      lab.net.setOffload(isOffloading);
      for (const name of ["lan0", "wan0"]) run(`ip link set ${name} mtu 9000`);
      for (const name of [lab.net.client, lab.net.server]) run(`ip -n ${name} link set eth0 mtu 9000`);
      try {
        await lab.engine.load(spec({ function: "changes" }));
        for (const version of [4, 6] as const) {
          const { from, to, at } = ends(version);
          for (const text of ["", "j".repeat(8900)]) {
            from.send(SERVER[version], at, text);
            assert.deepEqual(await to.receive(1), [text.replace("j", "J")]);
          }
        }
        assert.deepEqual((await listed()).statistics.faults, []);
        run("ip link set wan0 mtu 1500");
        await lab.engine.load(spec({ function: "grows", hook: "forward", match: "udp dport 4000-9999" }));
        const { from, to, at } = ends(4);
        const text = "\x05".padEnd(1450, "g");
        from.send(SERVER[4], at, text);
        // Longer than the link allows: the kernel refuses it, as it does with what it forwards itself, or cuts it.
        const [got] = await to.receive(1);
        assert.ok(got === undefined || got === text.padEnd(1530, "g"), `${got?.length} bytes`);
        from.send(SERVER[4], at, "\x02");
        assert.deepEqual(await to.receive(1), ["\x02".padEnd(33, "g")]);
        assert.deepEqual((await listed()).statistics.faults, []);
      } finally {
        for (const name of ["lan0", "wan0"]) run(`ip link set ${name} mtu 1500`);
        for (const name of [lab.net.client, lab.net.server]) run(`ip -n ${name} link set eth0 mtu 1500`);
        lab.net.setOffload(true);
      }
    });
  }
});

/** Lets an IPv4 header pass the kernel's own look at it: what is behind it is what scripts have to bear. */
function mendHeader(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, ETHERNET_BYTES);
  if (view.getUint8(0) >> 4 !== 4) return;
  const headerBytes = (view.getUint8(0) & 15) * 4;
  if (headerBytes < 20 || headerBytes > view.byteLength) return;
  if (view.getUint16(2) > view.byteLength || view.getUint16(2) < headerBytes)
    view.setUint16(2, view.byteLength);
  view.setUint16(10, 0);
  view.setUint16(10, ~fold(sumWords(view, 0, headerBytes)) & 0xffff);
}
