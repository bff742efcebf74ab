import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import { seconds } from "#base/time.ts";
import { answerOf, layersOf, type PacketEnds } from "../../../test/support/flow-layers.ts";
import { FLOW_COUNT_LIMIT, FlowTable } from "./flow-table.ts";
import { RECORD_WORDS, Word } from "./record.ts";

const NOW = 1_700_000_000_000;
const WEB: PacketEnds = {
  source: { address: 0xc0a8_0001, port: 50_000 },
  target: { address: 0x0a00_0001, port: 443 },
};

function tableOf(flowCountMax: number): FlowTable {
  return new FlowTable({ flowCountMax, hashKey: [1, 2], timeouts: [seconds(30)], now: NOW });
}

/** The i-th of many flows. */
function flow(index: number): PacketEnds {
  return { ...WEB, source: { address: 0xc0a8_0000 + (index >> 12), port: index & 0xfff } };
}

describe("FlowTable", () => {
  it("find() gives the row and the direction of both ways, and -1 for what is not there", () => {
    const table = tableOf(4);
    assert.equal(table.find(layersOf(WEB)), -1);
    const row = table.add(layersOf(WEB), false, NOW, 0);
    assert.deepEqual([table.find(layersOf(WEB)), table.direction], [row, 0]);
    assert.deepEqual([table.find(answerOf(WEB)), table.direction], [row, 1]);
    assert.equal(table.count, 1);
  });

  it("find() tells the directions of an IPv6 flow apart by the upper words where all else is the same", () => {
    const port = 443;
    const packet: PacketEnds = {
      version: 6,
      source: { address: [0x2001_0db8, 0, 1, 5], port },
      target: { address: [0x2001_0db8, 0, 2, 5], port },
    };
    const table = tableOf(4);
    const row = table.add(layersOf(packet), false, NOW, 0);
    assert.deepEqual([table.find(layersOf(packet)), table.direction], [row, 0]);
    assert.deepEqual([table.find(answerOf(packet)), table.direction], [row, 1]);
    const same = { ...packet, target: packet.source };
    const sameRow = table.add(layersOf(same), false, NOW, 0);
    assert.deepEqual([table.find(answerOf(same)), table.direction], [sameRow, 0]);
  });

  it("find() tells apart what differs in one thing only", () => {
    const { source, target } = WEB;
    const mapped = { ...WEB, version: 6 } as const;
    const packets: PacketEnds[] = [
      WEB,
      { source: { ...source, address: 0xc0a8_0002 }, target },
      { source, target: { ...target, address: 0x0a00_0002 } },
      { source: { ...source, port: 50_001 }, target },
      { source, target: { ...target, port: 444 } },
      { source: { ...source, port: 443 }, target: { ...target, port: 50_000 } },
      { ...WEB, protocol: 17 },
      { ...WEB, encapsulation: 0xffff_ffff },
      mapped,
      ...[0, 1, 2, 3].map((index) => {
        const address = [0, 0, 0xffff, 0xc0a8_0001].with(index, 7) as [number, number, number, number];
        return { ...mapped, source: { ...source, address } };
      }),
    ];
    const table = tableOf(packets.length);
    for (const [index, packet] of packets.entries()) {
      assert.equal(table.find(layersOf(packet)), -1, JSON.stringify(packet));
      assert.equal(table.add(layersOf(packet), false, NOW, 0), index);
    }
    for (const [index, packet] of packets.entries()) {
      assert.deepEqual([table.find(layersOf(packet)), table.direction], [index, 0], JSON.stringify(packet));
      assert.deepEqual([table.find(answerOf(packet)), table.direction], [index, 1], JSON.stringify(packet));
      assert.equal(table.version(index), packet.version ?? 4);
    }
  });

  it("find() takes a packet whose ends are the same for the client's", () => {
    const table = tableOf(2);
    const land = { source: WEB.target, target: WEB.target };
    const row = table.add(layersOf(land), true, NOW, 0);
    assert.deepEqual([table.find(layersOf(land)), table.direction], [row, 0]);
    assert.equal(table.find(layersOf(WEB)), -1);
    const sameAddress = { source: { ...WEB.target, port: 1 }, target: WEB.target };
    const other = table.add(layersOf(sameAddress), false, NOW, 0);
    assert.deepEqual([table.find(layersOf(sameAddress)), table.direction], [other, 0]);
    assert.deepEqual([table.find(answerOf(sameAddress)), table.direction], [other, 1]);
  });

  it("add() writes the ends as its contract says, the other way round when reversed, and clears the rest", () => {
    const table = tableOf(1);
    for (const reversed of [false, true]) {
      const row = table.add(layersOf({ ...WEB, encapsulation: 9 }), reversed, NOW, 0);
      const { words, numbers, bytes } = table;
      const [client, server] = reversed ? [WEB.target, WEB.source] : [WEB.source, WEB.target];
      assert.equal((words[Word.client + 3] as number) >>> 0, client.address);
      assert.equal((words[Word.server + 3] as number) >>> 0, server.address);
      assert.deepEqual([words[Word.client + 2], words[Word.server + 2]], [0xffff, 0xffff]);
      assert.equal((words[Word.ports] as number) >>> 16, client.port);
      assert.equal((words[Word.ports] as number) & 0xffff, server.port);
      assert.equal(words[Word.encapsulation], 9);
      assert.deepEqual([...bytes.subarray(Word.bytes * 4, Word.bytes * 4 + 4)], [6, 0, 0, 0]);
      assert.deepEqual([numbers[Word.firstSeen / 2], numbers[Word.lastSeen / 2]], [NOW, NOW]);
      assert.deepEqual([words[Word.monitors], words[Word.flags]], [0, 0]);
      assert.ok(words.subarray(Word.directions, RECORD_WORDS).every((word) => word === 0));
      assert.equal(table.find(layersOf({ ...WEB, encapsulation: 9 })), row);
      assert.equal(table.direction, reversed ? 1 : 0);
      words.fill(-1, Word.directions, RECORD_WORDS);
      words[Word.flags] = -1;
      table.remove(row);
    }
  });

  it("add() answers -1 in a full table, and remove() makes room in the row given back last", () => {
    const table = tableOf(3);
    for (let index = 0; index < 3; index++)
      assert.equal(table.add(layersOf(flow(index)), false, NOW, 0), index);
    assert.equal(table.add(layersOf(flow(3)), false, NOW, 0), -1);
    assert.equal(table.count, 3);
    table.remove(0);
    table.remove(2);
    assert.deepEqual([table.has(0), table.has(1), table.has(2), table.count], [false, true, false, 1]);
    assert.deepEqual([...table.rows()], [1]);
    assert.equal(table.find(layersOf(flow(0))), -1);
    assert.equal(table.add(layersOf(flow(4)), false, NOW, 0), 2);
    assert.equal(table.add(layersOf(flow(5)), false, NOW, 0), 0);
    assert.equal(table.add(layersOf(flow(6)), false, NOW, 0), -1);
    assert.equal(table.find(answerOf(flow(5))), 0);
    assert.deepEqual([...table.rows()], [0, 1, 2]);
  });

  it("remove() of a row that is not in use changes nothing", () => {
    const table = tableOf(3);
    const row = table.add(layersOf(WEB), false, NOW, 0);
    for (const other of [-1, 1, 2, 3, 1e6]) table.remove(other);
    table.remove(row);
    table.remove(row);
    assert.deepEqual([table.count, table.soonest()], [0, -1]);
    assert.equal(table.add(layersOf(flow(0)), false, NOW, 0), row);
    assert.equal(table.add(layersOf(flow(1)), false, NOW, 0), 1);
  });

  it("find() and remove() hold in a full table, whatever the order", () => {
    const flowCountMax = 5000;
    const table = tableOf(flowCountMax);
    for (let index = 0; index < flowCountMax; index++)
      table.add(layersOf(flow(index)), index % 3 === 0, NOW, 0);
    for (let index = 0; index < flowCountMax; index += 2) table.remove(index);
    for (let index = 0; index < flowCountMax; index++) {
      assert.equal(table.find(answerOf(flow(index))), index % 2 === 0 ? -1 : index);
    }
    assert.equal(table.count, flowCountMax / 2);
  });

  it("its constructor refuses sizes and timeouts that cannot be", () => {
    for (const flowCountMax of [0, -1, 1.5, Number.NaN, FLOW_COUNT_LIMIT + 1]) {
      assert.throws(() => tableOf(flowCountMax), ConfigurationError);
    }
    for (const timeouts of [[], [-1], [Number.NaN], Array<number>(257).fill(1)]) {
      const options = { flowCountMax: 1, hashKey: [0, 0], timeouts: timeouts as Duration[], now: 0 } as const;
      assert.throws(() => new FlowTable(options), ConfigurationError);
    }
  });
});
