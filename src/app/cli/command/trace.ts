/**
 * `metanet trace`: every message of a mailbox with each listener it met, what it said and how long it took.
 * @module
 */
import { Command } from "commander";
import { type Duration, formatInstant, hours, instant, milliseconds } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import { formatAddress } from "#mailbox/address.ts";
import type { Message } from "#mailbox/message.ts";
import { ASK_TIMEOUT, readAddress, requireProcess, textsOf, withBus } from "../bus.ts";
import { untilInterrupted } from "../interrupt.ts";
import { readDuration, readWhole } from "../option.ts";
import { printable } from "../table.ts";
import type { Terminal } from "../terminal.ts";

interface TraceOptions {
  readonly count?: string;
  readonly for: string;
  readonly json?: boolean;
}

export function traceCommand(terminal: Terminal): Command {
  return new Command("trace")
    .summary("follow messages through their listeners")
    .description(
      "Prints every message of a mailbox with the listeners that were asked, their verdicts and their times.",
    )
    .argument("<ADDRESS>", "such as dhcpd:/dhcpd/lookup")
    .option("-n, --count <N>", "end after so many messages")
    .option("--for <DURATION>", "end after so long; at most 1h", "1m")
    .option("--json", "print JSON lines")
    .addHelpText(
      "after",
      "\nExamples:\n  metanet trace dhcpd:/dhcpd/lookup\n  metanet trace --count 1 portald:/portald/authenticate",
    )
    .action(async (text: string, options: TraceOptions) => {
      const most =
        options.count === undefined ? undefined : readWhole(options.count, "--count", 1, 1_000_000_000);
      const duration = milliseconds(Math.min(hours(1), readDuration(options.for, "--for")));
      const address = readAddress(text);
      requireProcess(address);
      await withBus(async (bus) => {
        let count = 0;
        const { promise, resolve } = Promise.withResolvers<void>();
        const events = formatAddress({ ...address, path: "/sys/trace" });
        await bus.observe(events, "trace", (message: Message) => {
          if (message.get("mailbox") !== address.path || (most !== undefined && count >= most)) return;
          terminal.out((options.json ? jsonLine : textLines)(message));
          if (++count === most) resolve();
        });
        await start(
          bus.call.bind(bus),
          formatAddress({ ...address, path: "/sys/trace/start" }),
          address.path,
          duration,
        );
        terminal.note(`metanet: tracing ${text}`);
        await untilInterrupted(duration, promise);
      });
    });
}

type Call = (to: string, body: { [tag: string]: Value }, options: { timeout: Duration }) => Promise<unknown>;

async function start(call: Call, to: string, path: string, duration: Duration): Promise<void> {
  await call(to, { path, duration }, { timeout: ASK_TIMEOUT });
}

interface Step {
  readonly listener: string;
  readonly verdict: string;
  readonly took: number;
}

function stepsOf(message: Message): Step[] {
  const [verdicts, times] = [textsOf(message.get("verdicts")), textsOf(message.get("took"))];
  return textsOf(message.get("listeners")).map((listener, index) => ({
    listener,
    verdict: verdicts[index] ?? "",
    took: Number(times[index] ?? 0),
  }));
}

function tuplesOf(message: Message): [tag: string, value: string][] {
  const values = textsOf(message.get("values"));
  return textsOf(message.get("tags")).map((tag, index) => [tag, values[index] ?? ""]);
}

function jsonLine(message: Message): string {
  const { mailbox, sender, trace, outcome } = message.toObject();
  return JSON.stringify({
    mailbox,
    sender,
    trace,
    outcome,
    steps: stepsOf(message),
    tuples: tuplesOf(message),
  });
}

function textLines(message: Message): string {
  const time = formatInstant(instant(Date.now())).slice(11, 23);
  const tuples = tuplesOf(message).map(([tag, value]) => `${tag}=${printable(value)}`);
  const steps = stepsOf(message);
  const width = Math.max(0, ...steps.map(({ listener }) => listener.length));
  return [
    `${time}  ${message.get("mailbox")}  from ${message.get("sender")}  ${tuples.join("  ")}`.trimEnd(),
    ...steps.map(
      ({ listener, verdict, took }) =>
        `  ${listener.padEnd(width)}  ${printable(verdict)}  ${took.toFixed(2)} ms`,
    ),
    `  = ${printable(String(message.get("outcome") ?? ""))}`,
  ].join("\n");
}
