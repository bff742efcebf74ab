/**
 * Writes docs/reference/, one page for each contract of src/contract: `npm run docs`. With `--check` it reports
 * pages that are out of date and writes nothing.
 * @module
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Contract } from "#contract/contract.ts";
import { describeContract } from "#contract/describe.ts";

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const root: string = join(import.meta.dirname, "..");
const folder: string = join(root, "docs/reference");

/** The contracts that the files of src/contract export, with the file of each. */
async function contracts(): Promise<{ contract: Contract; file: string }[]> {
  const found: { contract: Contract; file: string }[] = [];
  for (const file of readdirSync(join(root, "src/contract")).sort()) {
    if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
    const exported: Record<string, unknown> = await import(join(root, "src/contract", file));
    for (const value of Object.values(exported)) if (isContract(value)) found.push({ contract: value, file });
  }
  return found;
}

function isContract(value: unknown): value is Contract {
  return typeof value === "object" && value !== null && "specs" in value && "says" in value;
}

/** Every page by its file name. */
async function pages(): Promise<Map<string, string>> {
  const made = new Map<string, string>();
  const index = [
    "# Reference of the mailboxes",
    "",
    "One page for each contract; `metanet describe` shows the same.",
    "",
  ];
  for (const { contract, file } of await contracts()) {
    const note = `Made from [src/contract/${file}](../../src/contract/${file}) by \`npm run docs\`.`;
    made.set(`${contract.name}.md`, `${describeContract(contract).trimEnd()}\n\n${note}\n`);
    index.push(`- [${contract.name}](${contract.name}.md): ${contract.says}.`);
  }
  return made.set("README.md", `${index.join("\n")}\n`);
}

const wanted = await pages();
const stale = [...wanted].filter(([file, text]) => {
  const path = join(folder, file);
  return !existsSync(path) || readFileSync(path, "utf8") !== text;
});
const orphans = existsSync(folder) ? readdirSync(folder).filter((file) => !wanted.has(file)) : [];
if (values.check) {
  for (const file of [...stale.map(([name]) => name), ...orphans]) {
    process.stderr.write(`docs/reference/${file} is out of date: run npm run docs\n`);
  }
  process.exitCode = stale.length + orphans.length > 0 ? 1 : 0;
} else {
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of stale) writeFileSync(join(folder, file), text);
  for (const file of orphans) rmSync(join(folder, file));
}
