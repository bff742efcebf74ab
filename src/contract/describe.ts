/**
 * A contract as text, for `metanet describe` and the reference pages.
 * @module
 */
import { nameOf } from "./check.ts";
import type { Contract, MailboxSpec, Tag, Tags } from "./contract.ts";

/** `NAME KIND TRAITS: PROSE`. */
export function describeTag(name: string, tag: Tag): string {
  const traits = [
    tag.isOptional && "optional",
    tag.isRepeated && "repeated",
    tag.isSecret && "secret",
  ].filter(Boolean);
  return `${[name, nameOf(tag), ...traits].join(" ")}: ${tag.says}`;
}

/** A contract as a Markdown page. */
export function describeContract(contract: Contract): string {
  const sections = Object.entries(contract.specs).map(([path, spec]) => describeMailbox(path, spec));
  return [`# ${contract.name}`, "", `${contract.says}.`, "", ...sections].join("\n");
}

function describeMailbox(path: string, spec: MailboxSpec): string {
  const lines = [`## ${path}`, "", `${spec.says} Kind: ${spec.kind}. Sent by: ${spec.sent}.`, ""];
  lines.push(...table("takes", spec.tags));
  if (spec.answer) lines.push(...table("answers", spec.answer));
  return lines.join("\n");
}

function table(heading: string, tags: Tags): string[] {
  const rows = Object.entries(tags);
  if (rows.length === 0) return [`${heading === "takes" ? "Takes" : "Answers"} no tags.`, ""];
  return [
    `| ${heading} | type | |`,
    "|---|---|---|",
    ...rows.map(([name, tag]) => {
      const traits = [tag.isOptional && "optional", tag.isRepeated && "repeated", tag.isSecret && "secret"];
      const type = [nameOf(tag), ...traits.filter(Boolean)].join(", ");
      return `| \`${name}\` | ${type} | ${tag.says} |`;
    }),
    "",
  ];
}
