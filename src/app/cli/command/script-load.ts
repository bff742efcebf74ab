/**
 * `metanet script load`: runs a function on packets; starts packetd when there is none.
 * @module
 */
import { Command } from "commander";
import { seconds } from "#base/time.ts";
import type { Message } from "#mailbox/message.ts";
import type { Answers } from "#mailbox/registry.ts";
import type { Node } from "../../node.ts";
import { untilInterrupted } from "../interrupt.ts";
import { watchModules } from "../module-watch.ts";
import { ensurePacketd, withPacketd } from "../packetd-door.ts";
import { type LoadFields, type LoadOptions, loadFields, withLoadOptions } from "../script-fields.ts";
import { readScripts } from "../script-rows.ts";
import { showScripts } from "../script-table.ts";
import { printable } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { UsageError } from "../typed-value.ts";

/** Long enough for a large script on a busy machine: it is loaded on trial first. */
const LOAD_TIMEOUT = seconds(30);

type Loaded = Answers<"/packetd/script/load">;

interface Options extends LoadOptions {
  readonly foreground?: boolean;
  readonly json?: boolean;
  readonly watch?: boolean;
}

export function scriptLoadCommand(terminal: Terminal): Command {
  const command = new Command("load")
    .summary("run a function on packets")
    .description(
      "Runs an exported function of a TypeScript module on the packets of a netfilter hook. A name that is loaded already is replaced without losing a packet; a script that does not load leaves the old one running. Starts packetd in the background when none runs.",
    )
    .argument("<FILE>", "the module; its imports are found beside it");
  return withLoadOptions(command)
    .option("-w, --watch", "load it again whenever it or a module it imports is saved, until Ctrl-C")
    .option("--foreground", "run it in this process until Ctrl-C, without packetd")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: Options) => {
      const fields = loadFields(file, options);
      if (options.foreground) return await runHere(terminal, fields, options);
      await ensurePacketd(terminal);
      await withPacketd(async (bus) => {
        const address = "packetd:/packetd/script/load";
        if (options.name === undefined) await refuseOthersName(bus, fields);
        show(terminal, await load(bus, address, fields), fields, options);
        if (!options.watch) return;
        await showLog(terminal, bus, "packetd:", fields);
        await watch(terminal, options, bus, address, fields);
        terminal.note(`${fields.name} stays loaded; end it with \`metanet script unload ${fields.name}\``);
      });
    });
}

const EXAMPLES = `
With --engine auto a script runs in the kernel, compiled to eBPF, where it is exactly the same there, and otherwise in user
space; which it was, and why, is told. \`metanet script check FILE\` tells where each function can run.

A packetd that this command starts reads the file wherever it lies; one of a gateway reads it as its own user, unless
\`reads-all\` is set in its configuration. Packetd serves the network namespace it was started in. Scripts at one hook run in the order of their loading; a packet that one accepts skips those behind it,
\`continue\` hands it on. \`metanet script check FILE\` needs no root.

Examples:
  sudo metanet script load nat.ts --function snat --hook postrouting --out eth1
  sudo metanet script load dns.ts --function doctor --hook forward --match 'udp sport 53' --on-error accept --persist
  sudo metanet script load nat.ts -f snat -H egress --out eth1 --engine kernel --pin
  sudo metanet script load nat.ts -f snat -H postrouting --watch     edit and save: the new version runs
  sudo metanet script load nat.ts -f snat -H postrouting --foreground`;

type Caller = Pick<Node, "call" | "observe">;

async function load(bus: Caller, address: string, fields: LoadFields): Promise<Loaded> {
  const answer: Message = await bus.call(address, fields as never, { timeout: LOAD_TIMEOUT });
  return answer.toObject() as unknown as Loaded;
}

/** Two files with functions of one name: nobody who names no script means to replace the other's. */
async function refuseOthersName(bus: Node, { name, file }: LoadFields): Promise<void> {
  const { scripts } = await readScripts(bus, "packetd:/packetd/script/list", name);
  const other = scripts.find((script) => script.file !== file);
  if (!other) return;
  throw new UsageError(
    `Cannot load ${file} as '${name}': that is ${other.file} already; add --name NAME, or --name ${name} to replace it`,
  );
}

function show(
  terminal: Terminal,
  loaded: Loaded,
  { file, function: called, hook }: LoadFields,
  options: Options,
): void {
  if (options.json) {
    terminal.out(JSON.stringify(loaded));
    return;
  }
  const { name, version, replaced, persisted, engine, reason, warning } = loaded;
  const isInKernel = engine === "kernel";
  const reads = isInKernel
    ? "only judges packets"
    : `reads the first ${loaded["read-bytes"]} bytes of packets`;
  const done = replaced ? "Replaced" : "Loaded";
  const where = isInKernel ? "the kernel" : "user space";
  const how = loaded.writing ? "may change packets" : reads;
  terminal.out(
    `${done} ${name}: ${called} of ${file} at ${hook}, version ${version}; in ${where}; it ${how}`,
  );
  if (reason !== "") terminal.note(`metanet: not in the kernel: ${reason}`);
  for (const text of warning) terminal.note(`metanet: Warning: ${text}`);
  if (options.persist && !persisted)
    terminal.note("metanet: Warning: it will not be loaded again after a restart");
}

/** Shows what the script says, while somebody looks. */
async function showLog(
  terminal: Terminal,
  bus: Caller,
  service: string,
  { name }: LoadFields,
): Promise<void> {
  await bus.observe(`${service}/packetd/script/log` as "/packetd/script/log", "script-load", (message) => {
    if (message.get("script") === name) terminal.note(`${name}: ${printable(message.get("text") ?? "")}`);
  });
}

/** Loads the script again whenever it is saved; what is wrong with it is told, and the old version stays. */
async function watch(
  terminal: Terminal,
  options: Options,
  bus: Caller,
  address: string,
  fields: LoadFields,
): Promise<void> {
  const watcher = watchModules(fields.file, async () => {
    try {
      show(terminal, await load(bus, address, fields), fields, options);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      terminal.note(options.json ? JSON.stringify({ error: { message } }) : `metanet: ${message}`);
      if (!options.json) terminal.note("The old version stays; waiting for the next save …");
    }
  });
  if (!options.json) terminal.note(`Watching ${fields.file} and what it imports; Ctrl-C ends that`);
  await untilInterrupted(undefined);
  watcher.close();
}

/** @throws UsageError for options that make no sense here. */
async function runHere(terminal: Terminal, fields: LoadFields, options: Options): Promise<void> {
  if (options.persist) {
    throw new UsageError(
      "Cannot use --persist with --foreground: the script ends with this command; leave one out",
    );
  }
  const { startForeground } = await import("../packetd-foreground.ts");
  const here = await startForeground(terminal, options.json ?? false);
  try {
    const address = "/packetd/script/load";
    await showLog(terminal, here.bus, "", fields);
    show(terminal, await load(here.bus, address, fields), fields, options);
    if (options.watch) await watch(terminal, options, here.bus, address, fields);
    else {
      if (!options.json) terminal.note("It runs until Ctrl-C");
      await untilInterrupted(undefined);
    }
    if (!options.json) terminal.note("");
    const { scripts } = await readScripts(here.bus, "/packetd/script/list");
    if (options.json) terminal.out(JSON.stringify({ scripts }));
    else showScripts(terminal, scripts);
  } finally {
    await here.stop();
  }
}
