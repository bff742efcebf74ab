/**
 * `metanet script list` and `watch`: the scripts with their statistics, once or each second.
 * @module
 */
import { Command } from "commander";
import { type Duration, milliseconds, seconds } from "#base/time.ts";
import { networkNamespace } from "#linux/namespace.ts";
import { NoSuchScriptError } from "#service/packetd/script-book.ts";
import type { Node } from "../../node.ts";
import { EXIT } from "../exit-code.ts";
import { untilInterrupted } from "../interrupt.ts";
import { readDuration } from "../option.ts";
import { withPacketd } from "../packetd-door.ts";
import { readScripts, type ScriptList, type ScriptRow } from "../script-rows.ts";
import { showScripts } from "../script-table.ts";
import type { Terminal } from "../terminal.ts";
import { UsageError } from "../typed-value.ts";

const ADDRESS = "packetd:/packetd/script/list";

interface Options {
  readonly interval?: string;
  readonly json?: boolean;
  readonly watch?: boolean;
}

export function scriptListCommand(terminal: Terminal): Command {
  return new Command("list")
    .summary("show the scripts and what they did")
    .description(
      "Shows every loaded script: packets, bytes, verdicts, errors, and the time that 99 of 100 packets took at most; below it each place where it failed, and its own counters. Exit code 1 when a script does not run, 3 when there is no packetd.",
    )
    .argument("[NAME]", "this script only")
    .option("-w, --watch", "show it again each second, as `script watch` does")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
AT is the hook, with interfaces as IN>OUT. OTHER counts repeat, queue, mark, and verdicts that came later.

Examples:
  sudo metanet script list
  sudo metanet script list --json | jq '.scripts[] | {name, packets, errors}'`,
    )
    .action(async (name: string | undefined, options: Options) => {
      if (options.watch) return await watch(terminal, name, options);
      await withPacketd(async (bus) => once(terminal, await read(bus, name), options));
    });
}

export function scriptWatchCommand(terminal: Terminal): Command {
  return new Command("watch")
    .summary("show what the scripts do, live")
    .description(
      "Shows the scripts again and again, with the packets of each second: a table on a terminal, otherwise one line of JSON each time. Ctrl-C ends it.",
    )
    .argument("[NAME]", "this script only")
    .option("--interval <DURATION>", "how often", "1s")
    .option("--json", "print JSON lines on a terminal as well")
    .addHelpText(
      "after",
      "\nExamples:\n  sudo metanet script watch\n  sudo metanet script watch snat --json | jq .scripts[0].packets",
    )
    .action((name: string | undefined, options: Options) => watch(terminal, name, options));
}

/** @throws NoSuchScriptError */
async function read(bus: Node, name: string | undefined): Promise<ScriptList> {
  const list = await readScripts(bus, ADDRESS, name);
  if (name !== undefined && list.scripts.length === 0) {
    const { scripts } = await readScripts(bus, ADDRESS);
    throw new NoSuchScriptError(
      name,
      scripts.map((script) => script.name),
    );
  }
  return list;
}

function once(terminal: Terminal, list: ScriptList, { json = false }: Options): void {
  const { scripts } = list;
  if (scripts.some(({ state }) => state !== "running")) process.exitCode = EXIT.failed;
  if (json) {
    terminal.out(JSON.stringify(list));
    return;
  }
  noteNamespace(terminal, list);
  if (scripts.length === 0) terminal.note("No script is loaded");
  else showScripts(terminal, scripts);
}

/** Whoever looks from elsewhere would wonder why nothing passes. */
function noteNamespace(terminal: Terminal, { namespace }: ScriptList): void {
  const own = networkNamespace();
  if (namespace !== own) terminal.note(`packetd serves network namespace ${namespace}; this is ${own}`);
}

/** Moves to the first line and clears what is below. */
const CLEAR = "\u001b[H\u001b[2J\u001b[3J";
const INTERVAL_MIN: Duration = milliseconds(100);

async function watch(terminal: Terminal, name: string | undefined, options: Options): Promise<void> {
  const interval = options.interval === undefined ? seconds(1) : readDuration(options.interval, "--interval");
  if (interval < INTERVAL_MIN)
    throw new UsageError(`Cannot use --interval ${options.interval}: at least 100ms`);
  await withPacketd(async (bus) => {
    let before = new Map<string, ScriptRow>();
    let shownAt = performance.now();
    for (;;) {
      const list = await readScripts(bus, ADDRESS, name);
      const now = performance.now();
      if (options.json || !terminal.interactive) terminal.out(JSON.stringify({ time: new Date(), ...list }));
      else {
        terminal.out(
          `${CLEAR}${new Date().toLocaleTimeString()}, each ${options.interval ?? "1s"}; Ctrl-C ends this\n`,
        );
        if (list.scripts.length === 0) terminal.out("No script is loaded");
        else showScripts(terminal, list.scripts, { scripts: before, seconds: (now - shownAt) / 1000 });
      }
      before = new Map(list.scripts.map((row) => [row.name, row]));
      shownAt = now;
      if ((await untilInterrupted(interval)) === "signal") return;
    }
  });
}
