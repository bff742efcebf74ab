/**
 * `metanet script new`: an example script to begin with, and what an editor needs to complete it.
 * @module
 */
import { existsSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { Command } from "commander";
import { ConfigurationError } from "#base/errors.ts";
import type { Terminal } from "../terminal.ts";
import { UsageError } from "../typed-value.ts";

interface NewOptions {
  readonly function?: string;
}

export function scriptNewCommand(terminal: Terminal): Command {
  return new Command("new")
    .summary("begin a script")
    .description(
      "Writes an example script with comments, and beside it a tsconfig.json for editors when there is none. Nothing that exists is overwritten.",
    )
    .argument("<FILE>", "ends in .ts or .mts")
    .option("-f, --function <NAME>", "the name of its function", "filter")
    .addHelpText(
      "after",
      "\nExamples:\n  metanet script new filter.ts\n  metanet script new nat.ts --function snat",
    )
    .action(async (file: string, options: NewOptions) => {
      if (![".ts", ".mts"].includes(extname(file))) {
        throw new UsageError(`Cannot use ${file}: the name of a new script ends in .ts`);
      }
      const name = options.function ?? "filter";
      if (!/^[A-Za-z_$][\w$]*$/.test(name) || RESERVED.has(name)) {
        throw new UsageError(`Cannot use --function ${name}: it is no name for a function`);
      }
      const { editorConfig, scriptTemplate } = await import("../../script/template.ts");
      writeNew(file, scriptTemplate(name, basename(file)));
      terminal.out(`wrote ${file}`);
      const config = join(dirname(file), "tsconfig.json");
      if (existsSync(config)) {
        terminal.note(
          `metanet: ${config} is there already and was left alone; an editor finds our declarations by its "paths"`,
        );
      } else {
        writeNew(config, editorConfig());
        terminal.out(`wrote ${config}, by which editors find the declarations`);
      }
      if (terminal.interactive) terminal.note(`next: metanet script check ${file}`);
    });
}

/** Names the template uses itself, and words that name nothing. */
const RESERVED: ReadonlySet<string> = new Set(
  "break case catch class const continue debugger default delete do else enum export extends false finally for function if import in instanceof new null return super switch this throw true try typeof var void while with yield let static await async implements interface package private protected public arguments eval options drop formatIpv4 ipv4 tcp verdict Context Packet Verdict".split(
    " ",
  ),
);

function writeNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: "wx" });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const seen =
      code === "EEXIST"
        ? "it is there already, and nothing is overwritten; choose another name or remove it"
        : code === "ENOENT"
          ? `there is no folder ${dirname(resolve(file))}; make it first`
          : `${code}; choose another place`;
    throw new ConfigurationError(`Cannot write ${file}: ${seen}`, { cause });
  }
}
