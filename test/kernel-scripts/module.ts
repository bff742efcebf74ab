/**
 * A module of scripts, run as Node runs it: types are taken out, and what it imports is what scripts import.
 * @module
 */
import { stripTypeScriptTypes } from "node:module";
import * as offered from "#app/script.ts";
import type { PacketScript } from "#script/context.ts";

/** Turns the text of a module into its exported functions, by name. */
export function evaluateModule(text: string): Readonly<Record<string, PacketScript>> {
  const names: string[] = [];
  const body = stripTypeScriptTypes(text)
    .replace(/^import .*$/gm, "")
    .replace(/^export (const|function) (\w+)/gm, (_, word: string, name: string) => {
      names.push(name);
      return `${word} ${name}`;
    });
  const make = new Function(
    ...Object.keys(offered),
    `"use strict";\n${body}\nreturn { ${names.join(", ")} };`,
  );
  return make(...Object.values(offered)) as Readonly<Record<string, PacketScript>>;
}
