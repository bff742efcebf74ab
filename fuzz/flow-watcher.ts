/**
 * A monitor that checks what it is told: streams only go forward and without holes, and have the bytes that were sent.
 * @module
 */
import assert from "node:assert/strict";
import type { FlowEngine } from "#flow/engine.ts";
import type { EventName } from "#flow/event/events.ts";
import type { Flow } from "#flow/flow.ts";
import { IpProtocol } from "#flow/layers/layers.ts";
import type { MonitorOptions } from "#flow/monitor.ts";
import type { Side } from "#flow/side.ts";
import { byteAt } from "./flow-packets.ts";

export interface WatcherOptions {
  /** Where what is told goes, a line for each event. */
  readonly told: string[];
  /** How often it reads: at each event, at each second one … */
  readonly everyth: number;
  /** No end ever sent two different bytes with one number. */
  readonly isHonest: boolean;
  /** Nobody drops packets: then nothing is read twice. */
  readonly isWhole: boolean;
  /** Urgent bytes are left out. */
  readonly leavesOut: boolean;
}

/** How far a flow was read, by direction. */
interface Places {
  client: number;
  server: number;
}

const EVENTS: readonly EventName[] = ["gap", "bufferOverrun", "orphan", "timeout"];

/** Adds such a monitor. */
export function watch(engine: FlowEngine, options: WatcherOptions, how: MonitorOptions): void {
  const { told, everyth } = options;
  const monitor = engine.monitor<Places>(how);
  const name = monitor.name;
  let count = 0;
  const read = (flow: Flow<Places>, side: Side): void => readAll(flow, side, name, options);
  monitor.on("newData", "none", (flow, { sender, offset, lengthBytes }) => {
    told.push(`${name} newData ${flow.id} ${sender} ${offset} ${lengthBytes}`);
    // Behind a gap there may be nothing: it can be read all the same.
    assert.ok(lengthBytes >= 0 && flow.end(sender).unreadBytes > 0, "something is to be read");
    count++;
    if (count % everyth === 0) read(flow, sender);
  });
  for (const each of EVENTS) {
    monitor.on(each as "gap", "none", (flow, { sender, offset, lengthBytes }) => {
      told.push(`${name} ${each} ${flow?.id} ${sender} ${offset} ${lengthBytes}`);
      assert.ok(flow?.isOpen ?? true);
      if (each === "gap") assert.ok(lengthBytes > 0, "a gap is not empty");
    });
  }
  monitor.on("outOfWindow", "receiver", (flow, { cause }) => {
    told.push(`${name} outOfWindow ${flow.id} ${cause}`);
    assert.ok(flow.packet.lengthBytes > 0);
  });
  for (const hook of ["sender", "receiver"] as const) {
    monitor.on("stateChange", hook, (flow, { end, from, to }) => {
      told.push(`${name} stateChange ${hook} ${flow.id} ${end} ${from} ${to}`);
      assert.notEqual(from, to);
      assert.equal(flow.end(end).state, to);
    });
  }
  monitor.on("connectionEnd", "none", (flow, { reason }) => {
    told.push(`${name} connectionEnd ${flow.id} ${reason}`);
    read(flow, "client");
    read(flow, "server");
  });
}

function readAll(flow: Flow<Places>, sender: Side, name: string, options: WatcherOptions): void {
  flow.context ??= { client: 0, server: 0 };
  const end = flow.end(sender);
  for (let piece = end.read(7); piece !== undefined; piece = end.read(7)) {
    const { offset, bytes } = piece;
    const lengthBytes = bytes === undefined ? piece.gap : bytes.length;
    options.told.push(`${name} read ${flow.id} ${sender} ${offset} ${bytes ?? `gap ${piece.gap}`}`);
    assert.ok(lengthBytes > 0, "a piece is not empty");
    assert.ok(offset + lengthBytes <= end.nextOffset, "nothing is read before it is there");
    if (options.isWhole) assert.ok(offset >= flow.context[sender], "nothing is read twice");
    if (options.isWhole && !options.leavesOut)
      assert.equal(offset, flow.context[sender], "nothing is left out");
    flow.context[sender] = offset + lengthBytes;
    if (bytes === undefined || !options.isHonest || flow.protocol !== IpProtocol.tcp) continue;
    const sequence = end.initialSequence + 1 + offset;
    for (const [index, byte] of bytes.entries()) {
      assert.equal(byte, byteAt((sequence + index) >>> 0), "bytes are those that were sent");
    }
  }
}
