/**
 * `metanet send`: one message, or one for each line of standard input.
 * @module
 */
import { Command } from "commander";
import { formatAddress } from "#mailbox/address.ts";
import { Message } from "#mailbox/message.ts";
import { readAddress, requireProcess, typesOf, withBus } from "../bus.ts";
import { LINE_BYTES_MAX, parseMessageLine } from "../json-lines.ts";
import { readLines } from "../lines.ts";
import type { Terminal } from "../terminal.ts";
import { parseTuples } from "../tuple.ts";
import { UsageError } from "../typed-value.ts";

export function sendCommand(terminal: Terminal): Command {
  return new Command("send")
    .summary("send a message")
    .description("Sends a message and waits until its listeners have dealt with it.")
    .argument("<ADDRESS>", "such as dhcpd:/dhcpd/lookup-response")
    .argument(
      "[TUPLE...]",
      "tag=value, with the type the mailbox states; tag:type=value to say it; - reads JSON lines",
    )
    .option("--json", "tell errors as JSON")
    .addHelpText(
      "after",
      `
Examples:
  metanet send dhcpd:/dhcpd/lookup-response xid=7 address=10.77.0.50
  metanet send door:/door/note text:text=42
  printf '{"text":"one"}\\n{"text":"two"}\\n' | metanet send door:/door/note -`,
    )
    .action(async (text: string, tuples: string[]) => {
      const address = readAddress(text);
      requireProcess(address);
      await withBus(async (bus) => {
        const { takes } = await typesOf(bus, address);
        const to = formatAddress(address);
        if (tuples.length !== 1 || tuples[0] !== "-") {
          await bus.send(to, Message.fromTuples(parseTuples(tuples, takes)));
          return;
        }
        let number = 0;
        let last: Promise<void> = Promise.resolve();
        const sendLine = async (line: string, at: number): Promise<void> => {
          let message: Message;
          try {
            message = parseMessageLine(line, takes);
          } catch (error) {
            if (!(error instanceof UsageError)) throw error;
            throw new UsageError(`Cannot send line ${at}: ${error.message}`);
          }
          await bus.send(to, message);
        };
        await readLines(process.stdin, LINE_BYTES_MAX, {
          line: (line) => {
            const at = ++number;
            if (line.trim() !== "") last = last.then(() => sendLine(line, at));
            // The failure is told below; until then it must not count as unhandled.
            last.catch(() => undefined);
          },
          tooLong: () =>
            terminal.note(`metanet: Cannot send line ${++number}: more than ${LINE_BYTES_MAX} bytes`),
        });
        await last;
      });
    });
}
