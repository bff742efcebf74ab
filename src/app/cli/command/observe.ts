/**
 * `metanet observe`: a copy of every message, as it passes.
 * @module
 */
import { Command } from "commander";
import { formatInstant, instant } from "#base/time.ts";
import { formatAddress, type MailboxAddress } from "#mailbox/address.ts";
import type { Context } from "#mailbox/listener.ts";
import type { Message } from "#mailbox/message.ts";
import type { Node } from "../../node.ts";
import { readAddress, withBus } from "../bus.ts";
import { EXIT } from "../exit-code.ts";
import { untilInterrupted } from "../interrupt.ts";
import { formatMessageLine } from "../json-lines.ts";
import { readDuration, readWhole } from "../option.ts";
import { printable } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { formatValue } from "../typed-value.ts";
import { mailboxesOf } from "./list.ts";

/** Bytes that may wait for a slow reader; messages beyond are dropped and counted. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

interface ObserveOptions {
  readonly count?: string;
  readonly for?: string;
  readonly json?: boolean;
}

export function observeCommand(terminal: Terminal): Command {
  return new Command("observe")
    .summary("watch messages as they pass")
    .description(
      "Prints a copy of every message: readable on a terminal, JSON lines otherwise. Waits for mailboxes that are not there yet.",
    )
    .argument(
      "<ADDRESS...>",
      "such as dhcpd:/dhcpd/lookup; dhcpd:/dhcpd/* takes every mailbox there is below",
    )
    .option("-n, --count <N>", "end after so many messages")
    .option("--for <DURATION>", "end after so long; with --count, it is an error when fewer came (exit 5)")
    .option("--json", "print JSON lines on a terminal as well")
    .addHelpText(
      "after",
      `
Examples:
  metanet observe dhcpd:/dhcpd/lookup
  metanet observe 'dhcpd:/dhcpd/*' 'portald:/portald/*'
  metanet observe --count 1 --for 10s portald:/portald/login | jq .tuples`,
    )
    .action(async (addresses: string[], options: ObserveOptions) => {
      const most =
        options.count === undefined ? undefined : readWhole(options.count, "--count", 1, 1_000_000_000);
      const limit = options.for === undefined ? undefined : readDuration(options.for, "--for");
      const json = options.json === true || !terminal.interactive;
      await withBus(async (bus) => {
        let count = 0;
        let dropped = 0;
        const { promise, resolve } = Promise.withResolvers<void>();
        const show = (process: string) => (message: Message, context: Context) => {
          if (most !== undefined && count >= most) return;
          count++;
          if (terminal.waitingBytes > WAITING_BYTES_MAX) dropped++;
          else
            terminal.out(
              (json ? jsonLine : textLine)(message, { ...context, mailbox: `${process}:${context.mailbox}` }),
            );
          if (count === most) resolve();
        };
        for (const address of await expand(bus, addresses)) {
          const to = formatAddress(address);
          const attachment = await bus.observe(to, "observe", show(address.process));
          if (attachment.state === "waiting")
            terminal.note(`metanet: ${to} is not there yet; waiting for it`);
          else terminal.note(`metanet: observing ${to}`);
        }
        const ending = await untilInterrupted(limit, promise);
        if (dropped > 0)
          terminal.note(`metanet: ${dropped} messages were dropped because the reader is slow`);
        if (ending === "time" && most !== undefined) process.exitCode = EXIT.timedOut;
      });
    });
}

/** `PROCESS:/PATH/*` becomes every mailbox below it that there is now. */
async function expand(
  bus: Node,
  texts: readonly string[],
): Promise<(MailboxAddress & { process: string })[]> {
  const found: (MailboxAddress & { process: string })[] = [];
  for (const text of texts) {
    if (!text.endsWith("/*")) {
      found.push(readAddress(text));
      continue;
    }
    const start = text.slice(0, -1);
    const { process } = readAddress(`${start}x`);
    const rows = await mailboxesOf(bus, process);
    found.push(
      ...rows.filter(({ address }) => address.startsWith(start)).map(({ address }) => readAddress(address)),
    );
  }
  return found;
}

function jsonLine(message: Message, { mailbox, sender }: Context): string {
  return formatMessageLine({ mailbox, sender }, message);
}

function textLine(message: Message, { mailbox, sender }: Context): string {
  const time = formatInstant(instant(Date.now())).slice(11, 23);
  const tuples = [...message].map(([tag, value]) => `${tag}=${printable(formatValue(value))}`);
  return [time, mailbox, `from ${sender}`, ...tuples].join("  ");
}
