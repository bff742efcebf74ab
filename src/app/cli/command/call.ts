/**
 * `metanet call`: one message and its one answer.
 * @module
 */
import { Command } from "commander";
import { formatAddress } from "#mailbox/address.ts";
import { Message } from "#mailbox/message.ts";
import { readAddress, requireProcess, typesOf, withBus } from "../bus.ts";
import { readDuration } from "../option.ts";
import { printable } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { parseTuples } from "../tuple.ts";
import { formatValue, toJsonTuple } from "../typed-value.ts";

interface CallOptions {
  readonly json?: boolean;
  readonly timeout: string;
}

export function callCommand(terminal: Terminal): Command {
  return new Command("call")
    .summary("send a message and print the answer")
    .description("Sends a message and prints its answer, one tuple on each line.")
    .argument("<ADDRESS>", "such as firewall:/firewall/permit")
    .argument("[TUPLE...]", "tag=value, with the type the mailbox states; tag:type=value to say it")
    .option("-t, --timeout <DURATION>", "how long to wait for the answer", "2s")
    .option("--json", 'print {"tuples":[[tag,type,value],…]}')
    .addHelpText(
      "after",
      `
Examples:
  metanet call firewall:/firewall/permit mac=02:00:00:00:00:01 address=10.77.0.100
  metanet call --json dhcpd:/sys/statistics`,
    )
    .action(async (text: string, tuples: string[], options: CallOptions) => {
      const timeout = readDuration(options.timeout, "--timeout");
      const address = readAddress(text);
      requireProcess(address);
      await withBus(async (bus) => {
        const { takes } = await typesOf(bus, address);
        const body = Message.fromTuples(parseTuples(tuples, takes));
        const told: Message = await bus.call(formatAddress(address), body, { timeout });
        const rows = [...told];
        if (options.json)
          return terminal.out(
            JSON.stringify({ tuples: rows.map(([tag, value]) => toJsonTuple(tag, value)) }),
          );
        const width = Math.max(0, ...rows.map(([tag]) => tag.length));
        for (const [tag, value] of rows)
          terminal.out(`${tag.padEnd(width)}  ${printable(formatValue(value))}`.trimEnd());
      });
    });
}
