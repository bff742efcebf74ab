/**
 * The command line's way onto the bus: a process of its own for as long as one command runs.
 * @module
 */
import { type Duration, seconds } from "#base/time.ts";
import { formatAddress, type MailboxAddress, parseAddress } from "#mailbox/address.ts";
import { NoSuchMailboxError, PeerGoneError } from "#mailbox/errors.ts";
import { specOf } from "../contracts.ts";
import { type Node, node } from "../node.ts";
import { processNames, requireReadable, runDirectory } from "../run-directory.ts";
import { nearest } from "../suggest.ts";
import { type TagTypes, typesFromDescription } from "./tuple.ts";
import type { TagType } from "./typed-value.ts";
import { UsageError } from "./typed-value.ts";

/** How long a process may take to tell about itself. */
export const ASK_TIMEOUT: Duration = seconds(1);

/** Joins the bus, runs `action`, and leaves it again whatever happens. */
export async function withBus<T>(action: (bus: Node) => Promise<T>, name = `cli-${process.pid}`): Promise<T> {
  const bus = await node(name);
  try {
    return await action(bus);
  } finally {
    await bus.close();
  }
}

/**
 * An address as it was typed; it must name a process, because the command line has no mailboxes of its own.
 * @throws UsageError when it does not, or is no address.
 */
export function readAddress(text: string): MailboxAddress & { readonly process: string } {
  let address: MailboxAddress;
  try {
    address = parseAddress(text);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const { process } = address;
  if (process !== undefined) return { ...address, process };
  const [, first = ""] = text.split("/");
  const running = processNames(runDirectory());
  const suggestion = running.includes(first)
    ? `${first}:${text}`
    : `PROCESS:${text}; \`metanet list\` shows the processes`;
  throw new UsageError(`Cannot use mailbox address '${text}': it names no process; write ${suggestion}`);
}

/**
 * Says so at once when a process that must be there is not.
 * @throws PeerGoneError that names those which are.
 */
export function requireProcess(address: {
  readonly process: string;
  readonly machine: string | undefined;
}): void {
  if (address.machine !== undefined) return;
  const directory = runDirectory();
  requireReadable(directory);
  const running = processNames(directory).filter((name) => !name.startsWith("cli-"));
  if (running.includes(address.process)) return;
  const near = nearest(address.process, running);
  const fix =
    near === undefined
      ? running.length > 0
        ? `there are ${running.join(", ")}`
        : "nothing runs there; start it with `metanet up FILE`"
      : `did you mean ${near}?`;
  throw new PeerGoneError(
    `Cannot reach process '${address.process}': it has no socket in ${directory}; ${fix}`,
  );
}

export interface MailboxTypes {
  readonly takes: TagTypes;
  readonly answers: TagTypes;
}

/** The types a mailbox states: from the project's own contracts, else by asking its process, else none. */
export async function typesOf(bus: Node, address: MailboxAddress): Promise<MailboxTypes> {
  const spec = specOf(address.path);
  if (spec) return { takes: new Map(entriesOf(spec.tags)), answers: new Map(entriesOf(spec.answer ?? {})) };
  const to = formatAddress({ ...address, path: "/sys/describe" });
  try {
    const told = await bus.call(to, { path: address.path }, { timeout: ASK_TIMEOUT });
    return {
      takes: typesFromDescription(textsOf(told.get("tags"))),
      answers: typesFromDescription(textsOf(told.get("answers"))),
    };
  } catch (error) {
    // A mailbox that is not there yet, or one without a contract, has no types; sending to it says so better.
    if (error instanceof NoSuchMailboxError) return { takes: new Map(), answers: new Map() };
    throw error;
  }
}

function entriesOf(tags: { readonly [tag: string]: TagType }): [string, TagType][] {
  return Object.entries(tags).map(([name, { kind, list }]) => [name, { kind, list }]);
}

/** A list of texts as a message carries it. */
export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
