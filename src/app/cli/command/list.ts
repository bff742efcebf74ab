/**
 * `metanet list`: the processes on the bus, the mailboxes of one, the listeners of a mailbox.
 * @module
 */
import { Command } from "commander";
import { type Duration, milliseconds } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import { formatAddress, type MailboxAddress } from "#mailbox/address.ts";
import type { Message } from "#mailbox/message.ts";
import { formatDuration } from "../../duration.ts";
import type { Node } from "../../node.ts";
import { processNames, runDirectory } from "../../run-directory.ts";
import { ASK_TIMEOUT, readAddress, requireProcess, textsOf, withBus } from "../bus.ts";
import { EXIT } from "../exit-code.ts";
import { type Cell, warnAbove0 } from "../table.ts";
import type { Terminal } from "../terminal.ts";

interface ListOptions {
  readonly addresses?: boolean;
  readonly json?: boolean;
  readonly listeners?: boolean;
}

export function listCommand(terminal: Terminal): Command {
  return new Command("list")
    .summary("show processes, mailboxes and listeners")
    .description(
      "Shows the processes on the bus, the mailboxes of one process, or the listeners of one mailbox.",
    )
    .argument("[WHAT]", "a process such as dhcpd, or an address such as dhcpd:/dhcpd/lookup")
    .option("-l, --listeners", "show the listeners of every mailbox as well")
    .option("--addresses", "print every address on a line of its own, for scripts and completion")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Examples:
  metanet list
  metanet list dhcpd
  metanet list --listeners dhcpd
  metanet list dhcpd:/dhcpd/lookup`,
    )
    .action(async (what: string | undefined, options: ListOptions) => {
      await withBus(async (bus) => {
        if (what === undefined) return await listProcesses(terminal, bus, options);
        if (what.includes("/")) return await listListeners(terminal, bus, readAddress(what), options);
        requireProcess(readAddress(`${what}:/sys/list`));
        await listMailboxes(terminal, bus, [what], options);
      });
    });
}

/** One mailbox, as `/sys/list` tells it. */
export interface MailboxRow {
  readonly address: string;
  readonly kind: string;
  readonly listeners: number;
  readonly observers: number;
  readonly messages: number;
  /** Listeners whose process is gone. */
  readonly away: number;
  /** Listeners that failed three times in a row. */
  readonly suspended: number;
}

/** One listener or observer, as `/sys/listeners` tells it. */
export interface ListenerRow {
  readonly identity: string;
  readonly role: string;
  readonly state: string;
  readonly band: number;
  /** Where the operator wrote the rule that chose the band; empty when the listener did. */
  readonly rule: string;
  /** Milliseconds; 0 when only the budget limits it. */
  readonly timeout: number;
  readonly calls: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly late: number;
}

async function listProcesses(terminal: Terminal, bus: Node, options: ListOptions): Promise<void> {
  const names = processNames(runDirectory()).filter((name) => name !== bus.name);
  if (options.addresses || options.listeners) return await listMailboxes(terminal, bus, names, options);
  const rows = await Promise.all(
    names.map(async (process) => {
      const told = await Promise.allSettled([mailboxesOf(bus, process)]);
      const mailboxes = told[0]?.status === "fulfilled" ? told[0].value : undefined;
      const sum = (count: (row: MailboxRow) => number): number =>
        (mailboxes ?? []).reduce((all, row) => all + count(row), 0);
      return {
        process,
        answers: mailboxes !== undefined,
        mailboxes: mailboxes?.length ?? 0,
        listeners: sum((row) => row.listeners),
        observers: sum((row) => row.observers),
        messages: sum((row) => row.messages),
        away: sum((row) => row.away),
        suspended: sum((row) => row.suspended),
      };
    }),
  );
  if (options.json) return terminal.out(JSON.stringify({ run: runDirectory(), processes: rows }));
  if (rows.length === 0) {
    terminal.note(`Nothing runs in ${runDirectory()}; start the gateway with \`metanet up FILE\``);
    process.exitCode = EXIT.absent;
    return;
  }
  terminal.table(
    ["PROCESS", "MAILBOXES", "LISTENERS", "OBSERVERS", "MESSAGES", "STATE"],
    rows.map((row) => [
      row.process,
      row.mailboxes,
      row.listeners,
      row.observers,
      row.messages,
      row.answers ? (troubleOf(row) ?? "answers") : { warning: "no answer" },
    ]),
  );
}

async function listMailboxes(
  terminal: Terminal,
  bus: Node,
  processes: readonly string[],
  options: ListOptions,
): Promise<void> {
  const found: (MailboxRow & { readonly who?: readonly ListenerRow[] })[] = [];
  for (const process of processes) {
    for (const row of await mailboxesOf(bus, process).catch((error: unknown) => {
      if (processes.length === 1) throw error;
      terminal.note(`metanet: ${String(error)}`);
      return [];
    })) {
      const path = row.address.slice(row.address.indexOf(":") + 1);
      found.push(
        options.listeners
          ? { ...row, who: await listenersOf(bus, { process, machine: undefined, path }) }
          : row,
      );
    }
  }
  if (options.json) return terminal.out(JSON.stringify({ mailboxes: found }));
  if (options.addresses)
    return found.length > 0 ? terminal.out(found.map((row) => row.address).join("\n")) : undefined;
  terminal.table(
    ["MAILBOX", "KIND", "LISTENERS", "OBSERVERS", "MESSAGES", "STATE"],
    found.flatMap((row) => [
      [row.address, row.kind, row.listeners, row.observers, row.messages, troubleOf(row) ?? ""],
      ...(row.who ?? []).map((who) => [
        `  ${who.identity}`,
        `${who.role}, band ${who.band}${who.rule === "" ? "" : ` by ${who.rule}`}`,
        "",
        "",
        who.calls,
        stateOf(who),
      ]),
    ]),
  );
}

/** Listeners that are not asked at present; `undefined` when all are. */
function troubleOf({ away, suspended }: { away: number; suspended: number }): Cell | undefined {
  const parts = [away > 0 ? `${away} away` : "", suspended > 0 ? `${suspended} suspended` : ""];
  const text = parts.filter((part) => part !== "").join(", ");
  return text === "" ? undefined : { warning: text };
}

function stateOf({ state }: ListenerRow): Cell {
  return state === "attached" ? state : { warning: state };
}

async function listListeners(
  terminal: Terminal,
  bus: Node,
  address: MailboxAddress & { process: string },
  options: ListOptions,
): Promise<void> {
  requireProcess(address);
  const rows = await listenersOf(bus, address);
  if (options.json) return terminal.out(JSON.stringify({ mailbox: formatAddress(address), listeners: rows }));
  if (rows.length === 0) return terminal.note(`Nobody listens at ${formatAddress(address)}`);
  terminal.table(
    ["", "LISTENER", "ROLE", "STATE", "BAND", "BAND BY", "TIMEOUT", "CALLS", "ERRORS", "TIMEOUTS", "LATE"],
    rows.map((row, index) => [
      row.role === "listener" ? index + 1 : "",
      row.identity,
      row.role,
      stateOf(row),
      row.band,
      row.rule === "" ? "listener" : row.rule,
      row.timeout === 0 ? "-" : formatDuration(milliseconds(row.timeout)),
      row.calls,
      warnAbove0(row.errors),
      warnAbove0(row.timeouts),
      row.late,
    ]),
  );
}

/** The mailboxes of a process, all pages. */
export async function mailboxesOf(
  bus: Node,
  process: string,
  timeout: Duration = ASK_TIMEOUT,
): Promise<MailboxRow[]> {
  const rows: MailboxRow[] = [];
  for (let after = "", more = true; more; ) {
    const page: Message = await bus.call(`${process}:/sys/list` as string, after === "" ? {} : { after }, {
      timeout,
    });
    const paths = textsOf(page.get("path"));
    const [listeners, observers, messages, away, suspended] = [
      "listeners",
      "observers",
      "messages",
      "away",
      "suspended",
    ].map((tag) => numbersOf(page.get(tag)));
    const kinds = textsOf(page.get("kind"));
    for (const [index, path] of paths.entries()) {
      rows.push({
        address: `${process}:${path}`,
        kind: kinds[index] ?? "-",
        listeners: listeners?.[index] ?? 0,
        observers: observers?.[index] ?? 0,
        messages: messages?.[index] ?? 0,
        away: away?.[index] ?? 0,
        suspended: suspended?.[index] ?? 0,
      });
    }
    after = paths.at(-1) ?? "";
    more = page.get("more") === true && paths.length > 0;
  }
  return rows;
}

async function listenersOf(bus: Node, address: MailboxAddress): Promise<ListenerRow[]> {
  const to = formatAddress({ ...address, path: "/sys/listeners" });
  const told: Message = await bus.call(to, { path: address.path }, { timeout: ASK_TIMEOUT });
  const text = (tag: string): string[] => textsOf(told.get(tag));
  const number = (tag: string): number[] => numbersOf(told.get(tag));
  const [roles, states, rules] = [text("role"), text("state"), text("rule")];
  const [bands, timeouts, calls, errors, late, waits] = [
    "band",
    "timeout",
    "calls",
    "errors",
    "late",
    "timeouts",
  ].map(number);
  return text("identity").map((identity, index) => ({
    identity,
    role: roles[index] ?? "",
    state: states[index] ?? "",
    band: bands?.[index] ?? 0,
    rule: rules[index] ?? "",
    timeout: timeouts?.[index] ?? 0,
    calls: calls?.[index] ?? 0,
    errors: errors?.[index] ?? 0,
    timeouts: waits?.[index] ?? 0,
    late: late?.[index] ?? 0,
  }));
}

function numbersOf(value: Value | undefined): number[] {
  return Array.isArray(value) ? value.map(Number) : [];
}
