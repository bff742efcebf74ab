/**
 * All that an engine inline needs besides an engine that watches: edits, segments of monitors, resets.
 * @module
 */
import { Packet } from "#packet/packet.ts";
import type { FlowCore } from "../core.ts";
import type { EndReason } from "../event/events.ts";
import type { Layers } from "../layers/layers.ts";
import type { Direction } from "../side.ts";
import { RowFlag } from "../table/flags.ts";
import { RECORD_WORDS, Word } from "../table/record.ts";
import { Editor, type WantedEdit } from "./editor.ts";
import { Injector } from "./injector.ts";
import { Rewriter } from "./rewriter.ts";

const ETHER_TYPES = { 4: 0x0800, 6: 0x86dd } as const;

export class Inline {
  readonly #core: FlowCore;
  readonly #output: ((packet: Uint8Array) => void) | undefined;
  readonly #rewriter: Rewriter;
  readonly #editor: Editor;
  readonly #injector: Injector;
  readonly #held = new Packet();

  /** @param output takes IP packets, which leave behind the packet at hand in the order they come in */
  constructor(core: FlowCore, output: ((packet: Uint8Array) => void) | undefined) {
    const { table, delivery, dispatcher } = core;
    this.#core = core;
    this.#output = output;
    this.#rewriter = new Rewriter({ table, delivery, dispatcher, output });
    this.#editor = new Editor(core, this.#rewriter);
    this.#injector = new Injector(core, this.#rewriter);
  }

  /** A TCP flow is new: whether it may be changed is its monitors' wish. */
  begin(row: number): void {
    const { table, dispatcher } = this.#core;
    const base = row * RECORD_WORDS;
    if (((table.words[base + Word.monitors] as number) & dispatcher.editing) === 0) return;
    table.words[base + Word.flags] = (table.words[base + Word.flags] as number) | RowFlag.rewritten;
  }

  /** A packet of a flow that may be changed comes in; whether it goes to the emulated stacks. */
  enter(row: number, direction: Direction, layers: Layers, packet: Packet): boolean {
    if (this.#rewriter.enter(row, direction, layers, packet) === "go") return true;
    this.#core.dispatcher.isDropped = true;
    return false;
  }

  /** A packet that they do not see: of a flow whose numbers differ it cannot go on as it is. */
  skip(layers: Layers): void {
    if (this.#rewriter.isIdle) return;
    const row = this.#core.table.find(layers);
    if (row >= 0 && this.#rewriter.isChanged(row)) this.#core.dispatcher.isDropped = true;
  }

  /** It has passed them, and leaves. */
  depart(row: number, direction: Direction, layers: Layers): void {
    if (!this.#core.dispatcher.isDropped) this.#injector.sendInFront(row, direction, layers);
    this.#rewriter.depart(row, direction, layers);
    this.#injector.sendWaiting(row, direction);
  }

  /** Sends what follows the packet at hand, and brings held ones whose turn has come to `handle`. */
  finish(handle: (packet: Packet) => boolean): void {
    this.#rewriter.flush();
    for (let due = this.#rewriter.takeDue(); due !== undefined; due = this.#rewriter.takeDue()) {
      const view = new DataView(due.buffer, due.byteOffset, due.byteLength);
      const version = (due[0] as number) >> 4 === 6 ? 6 : 4;
      this.#held.aim(view, 0, due.length, ETHER_TYPES[version]);
      this.#held.time = this.#core.dispatcher.now;
      if (handle(this.#held)) this.#output?.(this.#held.bytes());
      this.#rewriter.flush();
    }
  }

  /**
   * The flow is over for the engine. Its ends could not go on when their numbers differ: they are reset, unless they have
   * ended themselves.
   */
  end(row: number, reason: EndReason): void {
    const isOver = reason === "closed" || reason === "reset" || reason === "reused";
    if (!isOver && this.#rewriter.hasOutput && this.#rewriter.isChanged(row)) {
      this.#injector.reset(row, undefined, 0);
    }
    this.#rewriter.forget(row);
  }

  edit(wanted: WantedEdit): void {
    this.#editor.edit(wanted);
  }

  send(row: number, direction: Direction, payload: Uint8Array): void {
    this.#injector.send(row, direction, payload);
  }

  /** @param direction of the packet at hand, when it is the flow's; else `undefined` */
  reset(row: number, direction: Direction | undefined): void {
    this.#injector.reset(row, direction === undefined ? undefined : this.#core.layers, direction ?? 0);
  }
}
