/**
 * `metanet bench`: the benchmarks of a checkout. The installed package has none.
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { UnavailableError } from "#base/errors.ts";
import { EXIT } from "../exit-code.ts";

export function benchCommand(): Command {
  return new Command("bench")
    .summary("measure this machine")
    .description("Runs the benchmarks of a checkout: every figure is a ratio against a peer in the same run.")
    .argument("[ARGS...]", "handed on to bench/run.ts, such as the name of a benchmark")
    .allowUnknownOption()
    .addHelpText("after", "\nExamples:\n  metanet bench\n  metanet bench mailbox")
    .action(async (args: string[]) => {
      const program = fileURLToPath(new URL("../../../../bench/run.ts", import.meta.url));
      if (!existsSync(program)) {
        throw new UnavailableError(
          "Cannot run the benchmarks: they come with a checkout of the source only; clone it and run `npm run bench`",
        );
      }
      const child = spawn(process.execPath, [program, ...args], { stdio: "inherit" });
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      child.on("error", reject);
      child.on("exit", (code) => resolve(code ?? EXIT.failed));
      process.exitCode = await promise;
    });
}
