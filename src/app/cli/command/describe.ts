/**
 * `metanet describe`: what a service or a mailbox is for, what it takes and what it answers.
 * @module
 */
import { Command } from "commander";
import { nameOf } from "#contract/check.ts";
import type { Contract, Tags } from "#contract/contract.ts";
import { formatAddress } from "#mailbox/address.ts";
import type { Message } from "#mailbox/message.ts";
import { CONTRACTS } from "../../contracts.ts";
import type { Node } from "../../node.ts";
import { processNames, runDirectory } from "../../run-directory.ts";
import { ASK_TIMEOUT, readAddress, requireProcess, textsOf, withBus } from "../bus.ts";
import type { Terminal } from "../terminal.ts";
import { mailboxesOf } from "./list.ts";

interface DescribeOptions {
  readonly json?: boolean;
}

/** A mailbox as it is shown: tags as `NAME KIND TRAITS: PROSE`. */
interface Description {
  readonly mailbox: string;
  readonly kind: string;
  readonly says: string;
  readonly takes: readonly TagLine[];
  readonly answers: readonly TagLine[];
}

interface TagLine {
  readonly tag: string;
  readonly type: string;
  readonly says: string;
}

export function describeCommand(terminal: Terminal): Command {
  return new Command("describe")
    .summary("explain a service or a mailbox")
    .description(
      "Shows what a service's mailboxes or one mailbox is for, takes and answers. Known services need not run.",
    )
    .argument("<WHAT>", "a service such as dhcpd, or an address such as dhcpd:/dhcpd/lookup")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  metanet describe firewall\n  metanet describe dhcpd:/dhcpd/lookup")
    .action(async (what: string, options: DescribeOptions) => {
      const found = what.includes("/") ? [await describeAddress(what)] : await describeService(what);
      if (options.json) return terminal.out(JSON.stringify({ mailboxes: found }));
      terminal.out(found.flatMap((one, index) => [...(index > 0 ? [""] : []), ...render(one)]).join("\n"));
    });
}

async function describeAddress(text: string): Promise<Description> {
  const contract = text.includes(":") ? undefined : fromContracts(text);
  if (contract) return contract;
  const address = readAddress(text);
  if (!processNames(runDirectory()).includes(address.process)) {
    const known = CONTRACTS.some(({ name }) => name === address.process)
      ? fromContracts(address.path)
      : undefined;
    if (known) return known;
  }
  requireProcess(address);
  return await withBus(async (bus) => await ask(bus, address.process, address.path));
}

async function describeService(name: string): Promise<Description[]> {
  const contract = CONTRACTS.find((known) => known.name === name);
  if (contract) return ofContract(contract);
  requireProcess(readAddress(`${name}:/sys/list`));
  return await withBus(async (bus) => {
    const rows = await mailboxesOf(bus, name);
    const own = rows
      .map(({ address }) => address.slice(name.length + 1))
      .filter((path) => !path.startsWith("/sys/"));
    return await Promise.all(own.map((path) => ask(bus, name, path)));
  });
}

function fromContracts(path: string): Description | undefined {
  return CONTRACTS.flatMap(ofContract).find((one) => one.mailbox === path);
}

function ofContract(contract: Contract): Description[] {
  return Object.entries(contract.specs).map(([mailbox, spec]) => ({
    mailbox,
    kind: spec.kind,
    says: spec.says,
    takes: tagLines(spec.tags),
    answers: tagLines(spec.answer ?? {}),
  }));
}

function tagLines(tags: Tags): TagLine[] {
  return Object.entries(tags).map(([tag, { isOptional, isRepeated, isSecret, says, ...type }]) => {
    const traits = [isOptional && "optional", isRepeated && "repeated", isSecret && "secret"];
    return { tag, type: [nameOf(type), ...traits.filter((trait) => trait !== false)].join(" "), says };
  });
}

async function ask(bus: Node, process: string, path: string): Promise<Description> {
  const to = formatAddress({ process, machine: undefined, path: "/sys/describe" });
  const told: Message = await bus.call(to, { path }, { timeout: ASK_TIMEOUT });
  const lines = (tag: string): TagLine[] =>
    textsOf(told.get(tag)).map((line) => {
      const [, name = line, type = "", says = ""] = /^(\S+) ([^:]*): (.*)$/s.exec(line) ?? [];
      return { tag: name, type, says };
    });
  return {
    mailbox: `${process}:${path}`,
    kind: String(told.get("kind") ?? "-"),
    says: String(told.get("says") ?? ""),
    takes: lines("tags"),
    answers: lines("answers"),
  };
}

function render(one: Description): string[] {
  const width = Math.max(0, ...[...one.takes, ...one.answers].map(({ tag }) => tag.length));
  const types = Math.max(0, ...[...one.takes, ...one.answers].map(({ type }) => type.length));
  const rows = (heading: string, lines: readonly TagLine[]): string[] =>
    lines.length === 0
      ? []
      : [
          `  ${heading}`,
          ...lines.map(({ tag, type, says }) =>
            `    ${tag.padEnd(width)}  ${type.padEnd(types)}  ${says}`.trimEnd(),
          ),
        ];
  return [
    `${one.mailbox} (${one.kind})`,
    ...(one.says === "" ? [] : [`  ${one.says}`]),
    ...rows("takes", one.takes),
    ...rows("answers", one.answers),
  ];
}
