/**
 * `metanet listen`: takes part in a decision with JSON lines, as a script on a pipe or as a command it starts.
 * @module
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { Command } from "commander";
import { UnavailableError } from "#base/errors.ts";
import { LinuxClock } from "#linux/clock.ts";
import { formatAddress } from "#mailbox/address.ts";
import type { Listener, ListenerOptions } from "#mailbox/listener.ts";
import type { Attachment } from "#mailbox/router.ts";
import type { Node } from "../../node.ts";
import { readAddress, typesOf, withBus } from "../bus.ts";
import { type Ending, untilInterrupted } from "../interrupt.ts";
import { LINE_BYTES_MAX } from "../json-lines.ts";
import { LineListener } from "../line-listener.ts";
import { readLines } from "../lines.ts";
import { readDuration, readWhole, readWord } from "../option.ts";
import type { Terminal } from "../terminal.ts";
import { UsageError } from "../typed-value.ts";

interface ListenOptions {
  readonly prepend?: boolean;
  readonly append?: boolean;
  readonly before?: string;
  readonly after?: string;
  readonly band: string;
  readonly timeout: string;
  readonly onTimeout: string;
  readonly as?: string;
  readonly label: string;
}

export function listenCommand(terminal: Terminal): Command {
  return new Command("listen")
    .summary("take part in a decision")
    .description(
      "Puts a listener into a mailbox. Each message is one line of JSON on standard output, each verdict one line on standard input; with a command after --, that command's. When the other end closes, the listener is taken out.",
    )
    .argument("<ADDRESS>", "such as dhcpd:/dhcpd/lookup")
    .argument("[COMMAND...]", "after --: the program that answers, and its arguments")
    .option("--prepend", "stand before the others of the band (the default)")
    .option("--append", "stand behind the others of the band")
    .option("--before <ID>", "stand before the listener with this identity or label")
    .option("--after <ID>", "stand behind the listener with this identity or label")
    .option("--band <N>", "lower bands come first", "0")
    .option("-t, --timeout <DURATION>", "how long the owner waits for a verdict", "250ms")
    .option("--on-timeout <WHAT>", "continue or reject when it is late", "continue")
    .option("--as <NAME>", "process name on the bus, to come back under the same identity")
    .option("--label <LABEL>", "label of the listener", "listen")
    .addHelpText(
      "after",
      `
Examples:
  metanet listen dhcpd:/dhcpd/lookup -- ./who-is-it.sh
  metanet listen --timeout 1s --on-timeout reject portald:/portald/authenticate -- python3 login.py
  mkfifo answers; metanet listen gate:/gate < answers | ./decide.sh > answers

A line out:  {"id":1,"mailbox":"/dhcpd/lookup","sender":"dhcpd","tuples":[["xid","uint",7]]}
A line in:   {"id":1,"verdict":"continue"}   also "stop", and
             {"id":1,"verdict":"reject","reason":"…"}
             {"id":1,"verdict":"change","set":{"tag":"value"},"add":{…},"remove":["tag"]}
             {"id":1,"verdict":"answer","tuples":{"tag":"value"}}`,
    )
    .action(async (text: string, command: string[], options: ListenOptions) => {
      await withBus((bus) => listen(terminal, bus, text, command, options), options.as);
    });
}

async function listen(
  terminal: Terminal,
  bus: Node,
  text: string,
  command: string[],
  options: ListenOptions,
): Promise<void> {
  const address = readAddress(text);
  const to = formatAddress(address);
  const timeout = readDuration(options.timeout, "--timeout");
  const listenerOptions: ListenerOptions = {
    timeout,
    band: readWhole(options.band, "--band", -1_000_000, 1_000_000),
    onTimeout: readWord(options.onTimeout, "--on-timeout", ["continue", "reject"]),
  };
  const attach = placeOf(bus, to, options, listenerOptions);
  const types = await typesOf(bus, address).catch(() => ({ takes: new Map(), answers: new Map() }));
  const script = command.length > 0 ? start(command) : undefined;
  const output: Writable = script?.process.stdin ?? process.stdout;
  const note = (line: string): void => terminal.note(`metanet: ${line}`);
  const listener = new LineListener({
    clock: new LinuxClock(),
    timeout,
    ...types,
    note,
    write: (line) => void output.write(`${line}\n`),
  });
  // A script that closed its input will close its output too, and that is what ends us.
  output.on("error", () => undefined);
  const attachment = await attach((message, context) => listener.listen(message, context));
  const ended = readLines(script?.process.stdout ?? process.stdin, LINE_BYTES_MAX, {
    line: (line) => listener.line(line),
    tooLong: () => listener.badLine(`more than ${LINE_BYTES_MAX} bytes without an end`),
  });
  const interrupted = untilInterrupted(undefined, ended);
  note(
    attachment.state === "waiting"
      ? `${to} is not there yet; waiting for it`
      : `listening at ${to} as ${bus.name}/${options.label}`,
  );
  const ending = await interrupted;
  listener.end();
  await attachment.detach();
  if (script) await finish(script, command, ending);
  else process.stdin.destroy();
}

/** @throws UsageError when two places are asked for. */
function placeOf(
  bus: Node,
  to: string,
  options: ListenOptions,
  listenerOptions: ListenerOptions,
): (listener: Listener) => Promise<Attachment> {
  const { before, after, append, prepend, label } = options;
  const wanted = [before !== undefined, after !== undefined, append, prepend].filter(Boolean);
  if (wanted.length > 1)
    throw new UsageError("Cannot listen: give one of --prepend, --append, --before and --after");
  if (before !== undefined) return (listener) => bus.before(to, before, label, listener, listenerOptions);
  if (after !== undefined) return (listener) => bus.after(to, after, label, listener, listenerOptions);
  if (append) return (listener) => bus.append(to, label, listener, listenerOptions);
  return (listener) => bus.prepend(to, label, listener, listenerOptions);
}

interface Script {
  readonly process: ChildProcessByStdio<Writable, Readable, null>;
  /** Why it failed; `undefined` when it ended as it should. */
  readonly failure: Promise<string | undefined>;
}

function start(command: readonly string[]): Script {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  child.on("error", (error) => resolve(error.message));
  child.on("exit", (code, signal) => {
    // SIGTERM is ours, see below; Ctrl-C on a terminal goes to the script as well as to us.
    const isStopped = signal === "SIGTERM" || signal === "SIGINT";
    resolve(code === 0 || isStopped ? undefined : `it ended with ${signal ?? `exit code ${code}`}`);
  });
  return { process: child, failure: promise };
}

/**
 * Lets the script end by itself, then ends it.
 * @throws UnavailableError when it failed, unless somebody stopped us: how it ends then is its own affair.
 */
async function finish(script: Script, command: readonly string[], ending: Ending): Promise<void> {
  script.process.stdin.end();
  const patience = setTimeout(() => script.process.kill("SIGTERM"), 1000);
  const failure = await script.failure;
  clearTimeout(patience);
  if (failure !== undefined && ending !== "signal") {
    throw new UnavailableError(`Cannot go on listening: ${command.join(" ")}: ${failure}`);
  }
}
