/**
 * Verdicts, marks and changed packets of the packet queue with real traffic through the kernel.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  PacketChange,
  PacketFamily,
  PacketFlag,
  PacketHook,
  PacketVerdict,
  queueVerdict,
} from "#io/packet-queue.ts";
import { RulesUnsupportedError } from "#io/queue-rules.ts";
import { native } from "#linux/native.ts";
import { encodeInt } from "#linux/socket-address.ts";
import { lackOf, presenceOf } from "../support/kernel-option.ts";
import { rootProblem } from "./own-namespace.ts";
import {
  countPackets,
  headerBytes,
  labForTests,
  PORT,
  QUEUE,
  rewrite,
  rule,
  textOf,
} from "./packet-queue-lab.ts";
import { LEFT, RIGHT, run, SERVER } from "./packet-queue-net.ts";

const SOL_UDP = 17;
const UDP_SEGMENT = 103;

describe("the packet queue with real traffic", { skip: rootProblem() }, () => {
  const lab = labForTests();

  for (const version of [4, 6] as const) {
    it(`accepts and drops IPv${version} by what the packet says, and counts`, async () => {
      const { rules, server } = lab();
      await rules.load(rule());
      const seen: unknown[] = [];
      const queue = lab().open((batch, row) => {
        const text = textOf(batch, row);
        if (text.endsWith("x")) batch.verdict[row] = PacketVerdict.drop;
        seen.push([batch.family[row], batch.hook[row], batch.etherType[row], batch.lengthBytes[row], text]);
        assert.equal(batch.inInterface[row], native().interfaceIndex("lan0"));
        assert.equal(batch.outInterface[row], native().interfaceIndex("wan0"));
        assert.ok((batch.sourceLinkOffset[row] ?? 0) > 0);
      });
      lab().send(version, "a", "bx", "c");
      assert.deepEqual(await server[version].receive(2), ["a", "c"]);
      const header = version === 4 ? 28 : 48;
      const [family, etherType] = version === 4 ? [PacketFamily.ipv4, 0x0800] : [PacketFamily.ipv6, 0x86dd];
      const expected = ["a", "bx", "c"].map((text) => {
        return [family, PacketHook.forward, etherType, header + text.length, text];
      });
      assert.deepEqual(seen, expected);
      assert.deepEqual(await rules.counts(), [{ name: "test", packets: 3, bytes: header * 3 + 4 }]);
      const { receivedCount, waitingCount, refusedCount } = queue.statistics();
      assert.deepEqual(
        { receivedCount, waitingCount, refusedCount },
        { receivedCount: 3, waitingCount: 0, refusedCount: 0 },
      );
    });
  }

  it("marks packets, alone and in runs", async () => {
    await lab().rules.load(rule());
    const marked = countPackets("postrouting", "meta mark 0x77");
    lab().open((batch, row) => {
      if (textOf(batch, row) === "plain") return;
      batch.changes[row] = PacketChange.mark;
      batch.newMark[row] = 0x77;
    });
    lab().send(4, "m", "m", "m", "plain", "m");
    assert.equal((await lab().server[4].receive(5)).length, 5);
    assert.equal(marked(), 4);
  });

  it("repeats: the packet comes again, with the mark it was given", async () => {
    await lab().rules.load(rule());
    const marks: unknown[] = [];
    lab().open((batch, row) => {
      marks.push(batch.mark[row]);
      if (batch.mark[row] !== 0) return;
      batch.verdict[row] = PacketVerdict.repeat;
      batch.changes[row] = PacketChange.mark;
      batch.newMark[row] = 1;
    });
    lab().send(4, "again");
    assert.deepEqual(await lab().server[4].receive(1), ["again"]);
    assert.deepEqual(marks, [0, 1]);
  });

  it("hands a packet to another queue", async () => {
    await lab().rules.load(rule());
    const seen: string[] = [];
    lab().open((batch, row) => {
      batch.verdict[row] = queueVerdict(QUEUE + 1);
    });
    lab().open((batch, row) => seen.push(textOf(batch, row)), { queueNumber: QUEUE + 1 });
    lab().send(6, "over");
    assert.deepEqual(await lab().server[6].receive(1), ["over"]);
    assert.deepEqual(seen, ["over"]);
  });

  for (const isOn of [true, false]) {
    for (const version of [4, 6] as const) {
      it(`delivers changed IPv${version} packets, offload ${isOn ? "on" : "off"}`, async () => {
        lab().net.setOffload(isOn);
        await lab().rules.load(rule());
        const texts = ["same length", "short", "a good deal longer than it was before"];
        let next = 0;
        lab().open((batch, row) => {
          if (textOf(batch, row) === "as it was") return;
          batch.newLengthBytes[row] = rewrite(batch.bytes, batch.offset[row] ?? 0, texts[next++] ?? "");
          // A mark needs room of its own in front of the packet.
          batch.changes[row] = next === 2 ? PacketChange.mark : 0;
        });
        lab().send(version, "SAME LENGTH", "as it was", "shorter soon", "longer soon");
        const expected = [texts[0], "as it was", ...texts.slice(1)];
        assert.deepEqual(await lab().server[version].receive(4), expected);
      });
    }
  }

  it("delivers a packet that has grown at its front", async () => {
    await lab().rules.load(rule());
    lab().open((batch, row) => {
      const before = batch.offset[row] ?? 0;
      const start = before - 4;
      // Four bytes of IPv4 options: no operation, and the end of the list.
      batch.bytes.copyWithin(start, before, before + 20);
      batch.bytes.set([0x46], start);
      batch.bytes.set([1, 1, 1, 0], start + 20);
      const view = new DataView(batch.bytes.buffer, start);
      view.setUint16(2, (batch.lengthBytes[row] ?? 0) + 4);
      view.setUint16(10, 0);
      let sum = 0;
      for (let at = 0; at < 24; at += 2) sum += view.getUint16(at);
      view.setUint16(10, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
      batch.newOffset[row] = start;
      batch.newLengthBytes[row] = (batch.lengthBytes[row] ?? 0) + 4;
    });
    const options = countPackets("postrouting", "ip hdrlength 6");
    lab().send(4, "with options");
    assert.deepEqual(await lab().server[4].receive(1), ["with options"]);
    assert.equal(options(), 1);
  });

  it("brings segments in one packet when asked to, and never else", async () => {
    lab().net.setOffload(true);
    await lab().rules.load(rule());
    const text = "s".repeat(5000);
    native().setsockopt(lab().client[4].fd, SOL_UDP, UDP_SEGMENT, encodeInt(1000));
    try {
      for (const segmented of [true, false]) {
        const lengths: unknown[] = [];
        const flags = new Set<number>();
        const queue = lab().open(
          (batch, row) => {
            lengths.push(batch.fullLengthBytes[row]);
            flags.add((batch.packetFlags[row] ?? 0) & PacketFlag.segmented);
          },
          { segmented },
        );
        lab().send(4, text);
        assert.equal((await lab().server[4].receive(5)).join(""), text);
        assert.deepEqual(lengths, segmented ? [5028] : Array(5).fill(1028));
        assert.deepEqual([...flags], [segmented ? PacketFlag.segmented : 0]);
        queue.close();
      }
    } finally {
      native().setsockopt(lab().client[4].fd, SOL_UDP, UDP_SEGMENT, encodeInt(0));
    }
  });

  it("copies no more than the copy range, and then lets nobody change the packet", async () => {
    await lab().rules.load(rule());
    const lengths: unknown[] = [];
    const queue = lab().open(
      (batch, row) => {
        lengths.push([batch.lengthBytes[row], batch.fullLengthBytes[row]]);
        if (textOf(batch, row) === "") batch.newLengthBytes[row] = 28;
      },
      { copyRangeBytes: 28, failOpen: true },
    );
    lab().send(4, "x".repeat(100));
    assert.deepEqual(await lab().server[4].receive(1), ["x".repeat(100)]);
    assert.deepEqual(lengths, [[28, 128]]);
    assert.equal(queue.statistics().excessCount, 1);
  });

  it("says what the kernel lacks where it cannot queue what crosses a bridge, and leaves nothing", {
    skip: presenceOf("CONFIG_NFT_QUEUE"),
  }, async () => {
    await assert.rejects(
      lab().rules.load(rule({ family: "bridge", outInterface: "port1" })),
      (error: unknown) =>
        error instanceof RulesUnsupportedError &&
        /cannot queue packets of family bridge.*CONFIG_NFT_QUEUE/.test(error.message),
    );
    assert.deepEqual(await lab().rules.counts(), []);
  });

  it("sees and decides about what crosses a bridge, the link-layer header included", {
    skip: lackOf("CONFIG_NFT_QUEUE"),
  }, async () => {
    const { net } = lab();
    const left = net.udp(net.left, LEFT, PORT);
    const right = net.udp(net.right, RIGHT, PORT);
    await lab().rules.load(rule({ family: "bridge", outInterface: "port1" }));
    const seen: unknown[] = [];
    lab().open((batch, row) => {
      const text = textOf(batch, row);
      const [at = 0, lengthBytes] = [batch.linkHeaderOffset[row], batch.linkHeaderLengthBytes[row]];
      const etherType = batch.view.getUint16(at + 12);
      seen.push([text, batch.family[row], lengthBytes, etherType, batch.vlanTag[row]]);
      assert.equal(batch.physicalInInterface[row], native().interfaceIndex("port0"));
      if (text === "drop") batch.verdict[row] = PacketVerdict.drop;
      if (text !== "from elsewhere") return;
      batch.bytes.set([2, 0, 0, 0, 0, 0x99], at + 6);
      batch.changes[row] = PacketChange.linkHeader;
      batch.newLengthBytes[row] = rewrite(batch.bytes, batch.offset[row] ?? 0, "from there");
    });
    run("nft add table bridge watch");
    run("nft add chain bridge watch c { type filter hook postrouting priority 50 ; }");
    run("nft add rule bridge watch c ether saddr 02:00:00:00:00:99 counter");
    for (const text of ["one", "drop", "from elsewhere"]) left.send(RIGHT, PORT, text);
    assert.deepEqual(await right.receive(2), ["one", "from there"]);
    const row = (text: string): unknown[] => [text, PacketFamily.bridge, 14, 0x0800, -1];
    assert.deepEqual(seen, ["one", "drop", "from elsewhere"].map(row));
    assert.match(run("nft list table bridge watch"), /counter packets 1 /);
  });

  it("sees what crosses a bridge that calls the IP hooks, with the ports", async () => {
    const { net } = lab();
    run("ip link set br0 type bridge nf_call_iptables 1");
    const left = net.udp(net.left, LEFT, PORT + 1);
    const right = net.udp(net.right, RIGHT, PORT + 1);
    await lab().rules.load(rule({ inInterface: "br0", match: "udp dport 4001" }));
    const seen: unknown[] = [];
    lab().open((batch, row) => {
      seen.push([
        batch.family[row],
        batch.inInterface[row],
        batch.physicalInInterface[row],
        batch.physicalOutInterface[row],
      ]);
      batch.newLengthBytes[row] = rewrite(batch.bytes, batch.offset[row] ?? 0, "changed on its way");
    });
    left.send(RIGHT, PORT + 1, "as it was");
    assert.deepEqual(await right.receive(1), ["changed on its way"]);
    const [bridge, port0, port1] = ["br0", "port0", "port1"].map((name) => native().interfaceIndex(name));
    assert.deepEqual(seen, [[PacketFamily.ipv4, bridge, port0, port1]]);
    run("ip link set br0 type bridge nf_call_iptables 0");
  });

  it("spreads packets over several queues, a pair of addresses always to the same", async () => {
    const { net } = lab();
    await lab().rules.load(rule({ queueCount: 2 }));
    const seen = [new Map<number, number>(), new Map<number, number>()];
    for (const [index, sources] of seen.entries()) {
      lab().open(
        (batch, row) => {
          const source = batch.bytes[(batch.offset[row] ?? 0) + 15] ?? 0;
          sources.set(source, (sources.get(source) ?? 0) + 1);
          assert.equal(headerBytes(batch, row), 28);
        },
        { queueNumber: QUEUE + index },
      );
    }
    for (let host = 10; host < 26; host++) {
      run(`ip -n ${net.client} address add 10.91.1.${host}/24 dev eth0`);
      const socket = net.udp(net.client, `10.91.1.${host}`, PORT);
      for (let count = 0; count < 3; count++) socket.send(SERVER[4], PORT, "x");
    }
    assert.equal((await lab().server[4].receive(48)).length, 48);
    const [first, second] = seen;
    assert.ok((first?.size ?? 0) > 0 && (second?.size ?? 0) > 0, "one of the queues got nothing");
    assert.equal((first?.size ?? 0) + (second?.size ?? 0), 16);
    for (const count of [...(first?.values() ?? []), ...(second?.values() ?? [])]) assert.equal(count, 3);
  });
});
