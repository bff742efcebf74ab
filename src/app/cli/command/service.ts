/**
 * `metanet service NAME`: one service, as the supervisor starts it. Not for people, and so not in the help.
 * @module
 */
import { Argument, Command } from "commander";
import { SERVICE_NAMES, type ServiceName } from "../../config/service-options.ts";

export function serviceCommand(): Command {
  return new Command("service")
    .description(
      "Runs one service; the supervisor starts it and writes the configuration to its standard input.",
    )
    .addArgument(new Argument("<NAME>").choices(SERVICE_NAMES))
    .action(async (name: ServiceName) => {
      const { runChild } = await import("../../service/child-main.ts");
      await runChild(name);
    });
}
