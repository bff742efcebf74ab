/**
 * A module of scripts, run as Node runs it: types are taken out, and what it imports is what scripts import.
 * @module
 */
import { stripTypeScriptTypes } from "node:module";
import * as offered from "#app/script.ts";
import type { Packet } from "#packet/packet.ts";
import type { Context, PacketScript } from "#script/context.ts";
import type { Verdict } from "#script/verdict.ts";

/** What a run of plain TypeScript puts into a context, so that packets are handed over as the kernel does it. */
export interface HandingOver {
  readonly $handsOver?: (packet: Packet) => Verdict;
}

function handOver<Answer>(
  packet: Packet,
  context: Context,
  decide: (packet: Packet, context: Context) => Answer,
): Answer | Verdict {
  const handed = (context as Context & HandingOver).$handsOver?.(packet);
  return handed ?? offered.handOver(packet, context, decide);
}

const PARTS = { ...offered, handOver };

/** Turns the text of a module into its exported functions, by name. */
export function evaluateModule(text: string): Readonly<Record<string, PacketScript>> {
  const names: string[] = [];
  const body = stripTypeScriptTypes(text)
    .replace(/^import .*$/gm, "")
    .replace(/^export (const|function) (\w+)/gm, (_, word: string, name: string) => {
      names.push(name);
      return `${word} ${name}`;
    });
  const make = new Function(...Object.keys(PARTS), `"use strict";\n${body}\nreturn { ${names.join(", ")} };`);
  return make(...Object.values(PARTS)) as Readonly<Record<string, PacketScript>>;
}
