/**
 * `metanet doctor`: what this machine can and cannot do, with the fix for each.
 * @module
 */
import { Command } from "commander";
import { EXIT } from "../exit-code.ts";
import type { Terminal } from "../terminal.ts";

export function doctorCommand(terminal: Terminal): Command {
  return new Command("doctor")
    .summary("check what this machine can do")
    .description(
      "Tries what the gateway and the lab need, each in a network namespace of its own, and says how to mend what is missing. Exit code 1 when something that `up` or `lab` needs is missing.",
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  metanet doctor\n  sudo metanet doctor --json | jq '.checks[] | select(.ok | not)'",
    )
    .action(async (options: { readonly json?: boolean }) => {
      const { examine } = await import("../../doctor/examine.ts");
      const report = await examine();
      if (!report.up || !report.lab) process.exitCode = EXIT.failed;
      if (options.json) return terminal.out(JSON.stringify(report));
      terminal.table(
        ["", "CHECK", "NEEDED FOR", "SEEN"],
        report.checks.map(({ ok, required, name, neededFor, seen }) => [
          ok ? "ok" : required ? "MISSING" : "missing",
          name,
          neededFor,
          seen ?? "",
        ]),
      );
      const missing = report.checks.filter(({ ok }) => !ok);
      if (missing.length > 0) terminal.out("");
      for (const { name, fix } of missing) terminal.out(`${name}: ${fix}`);
      terminal.out("");
      terminal.out(`metanet up           ${report.up ? "can run here" : "cannot run here"}`);
      terminal.out(`metanet lab          ${report.lab ? "can run here" : "cannot run here"}`);
      terminal.out(`metanet script load  ${report.script ? "can run here" : "cannot run here"}`);
    });
}
