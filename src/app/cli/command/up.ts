/**
 * `metanet up`: runs the gateway in the foreground, or behind the scenes.
 * @module
 */
import { existsSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, Option } from "commander";
import { SYSTEM_RUN_DIRECTORY } from "../../run-directory.ts";
import type { RunningGateway } from "../../supervisor/gateway.ts";
import { mainFile, READY_DESCRIPTOR, startInBackground } from "../background.ts";
import { EXIT } from "../exit-code.ts";
import type { Terminal } from "../terminal.ts";
import { UsageError } from "../typed-value.ts";

/** Where the configuration is looked for when none is named. */
const CONFIGURATION_FILES = ["metanet.yaml", "/etc/metanet/metanet.yaml"];

interface UpOptions {
  readonly check?: boolean;
  readonly detach?: boolean;
  readonly json?: boolean;
  readonly log?: string;
  readonly single?: boolean;
  readonly tellReady?: boolean;
}

export function upCommand(terminal: Terminal): Command {
  return new Command("up")
    .summary("run the gateway")
    .description(
      "Starts the services of a configuration file, keeps them running, and stops them on SIGINT or SIGTERM.",
    )
    .argument("[FILE]", `the configuration; ${CONFIGURATION_FILES.join(" or ")} when left out`)
    .option("--check", "only say what is wrong with the configuration")
    .option("--single", "run all services in one process")
    .option("-d, --detach", "go to the background once everything is ready")
    .option("--log <FILE>", "write the services' messages to a file, of which the last 10 to 20 MB are kept")
    .option("--json", "write messages as JSON lines on a terminal as well")
    .addOption(new Option("--tell-ready").hideHelp())
    .addHelpText(
      "after",
      `
SIGHUP reads the configuration again and restarts the services it changes. Stopping removes MetaNet's own firewall
table and nothing else; a crash or kill -9 leaves it, so that whoever is logged in stays connected.

Examples:
  metanet up --check gateway.yaml
  sudo metanet up gateway.yaml
  sudo metanet up --detach --log /var/log/metanet.log gateway.yaml`,
    )
    .action(async (given: string | undefined, options: UpOptions) => {
      const file = resolve(given ?? CONFIGURATION_FILES.find((known) => existsSync(known)) ?? missing());
      if (options.check) return await check(terminal, file, options);
      if (options.detach) return await detach(terminal, file, options);
      const { runGateway } = await import("../../supervisor/gateway.ts");
      const { fileLog, plainLog, terminalLog } = await import("../../supervisor/log.ts");
      const readable = terminal.interactive && !options.json;
      const log = options.log
        ? fileLog(resolve(options.log))
        : readable
          ? terminalLog(terminal.note, terminal.colour)
          : plainLog(terminal.note);
      const note = (level: "info" | "warn" | "error", msg: string): void => {
        log(
          "metanet",
          JSON.stringify({
            level: { info: 30, warn: 40, error: 50 }[level],
            time: Date.now(),
            name: "metanet",
            msg,
          }),
        );
      };
      const onUp = (gateway: RunningGateway): void => {
        if (readable) terminal.note(describeGateway(gateway));
        if (options.tellReady) writeSync(READY_DESCRIPTOR, "ready");
      };
      const command = [process.execPath, mainFile()] as const;
      const wasStopped = await runGateway({
        file,
        single: options.single ?? false,
        command,
        log,
        note,
        onUp,
      });
      if (!wasStopped) process.exitCode = EXIT.configuration;
    });
}

function missing(): never {
  throw new UsageError(
    `Cannot start: no FILE is named, and there is neither ${CONFIGURATION_FILES.join(" nor ")}`,
  );
}

async function check(terminal: Terminal, file: string, options: UpOptions): Promise<void> {
  const { parseConfiguration, readConfiguration } = await import("../../config/read.ts");
  const { servicesOf } = await import("../../config/service-options.ts");
  const services = servicesOf(parseConfiguration(file, readConfiguration(file)));
  terminal.out(options.json ? JSON.stringify({ file, services }) : `${file} is fine: ${services.join(", ")}`);
}

/** What is running, and what to try. */
function describeGateway({ configuration, run }: RunningGateway): string {
  const { dhcpd, firewall, packetd, portald } = configuration;
  const lines = ["", "The gateway is up:"];
  if (firewall) lines.push(`  firewall  ${firewall.inside} (inside) to ${firewall.outside} (outside)`);
  if (dhcpd) lines.push(`  dhcpd     ${dhcpd.pool.first} to ${dhcpd.pool.last} on ${dhcpd.interface}`);
  if (portald) lines.push(`  portald   http://${portald.address}:${portald.port}/`);
  if (packetd) lines.push(`  packetd   ${Object.keys(packetd.scripts).join(", ") || "no script yet"}`);
  const prefix = run === SYSTEM_RUN_DIRECTORY ? "" : `METANET_RUN=${run} `;
  lines.push(
    "",
    `Try:  ${prefix}metanet list    ${prefix}metanet status    ${prefix}metanet observe 'dhcpd:/dhcpd/*'`,
  );
  lines.push("Stop: Ctrl-C, or metanet down", "");
  return lines.join("\n");
}

/** Starts the same command in a session of its own, and waits until it is up. */
async function detach(terminal: Terminal, file: string, options: UpOptions): Promise<void> {
  const { machineFacts } = await import("../../supervisor/gateway.ts");
  const { parseConfiguration, readConfiguration } = await import("../../config/read.ts");
  const { state } = parseConfiguration(file, readConfiguration(file), machineFacts());
  const log = resolve(options.log ?? join(state, "metanet.log"));
  const pid = await startInBackground({ file, log, single: options.single ?? false });
  terminal.out(
    options.json ? JSON.stringify({ pid, log }) : `The gateway is up as process ${pid}; its log is ${log}`,
  );
}
