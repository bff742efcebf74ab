/**
 * `metanet flow`: flows of captures and of interfaces. Each of its commands has a file of its own, `flow-*.ts`.
 * @module
 */
import { Command } from "commander";
import type { Terminal } from "../terminal.ts";
import { flowFollowCommand } from "./flow-follow.ts";
import { flowReplayCommand } from "./flow-replay.ts";
import { flowRunCommand } from "./flow-run.ts";
import { flowWatchCommand } from "./flow-watch.ts";

export function flowCommand(terminal: Terminal): Command {
  return new Command("flow")
    .summary("flow monitors: what connections are, carry and do")
    .description("Flows of captures and of interfaces: their records, their bytes, their states, live.")
    .addCommand(flowReplayCommand(terminal))
    .addCommand(flowFollowCommand(terminal))
    .addCommand(flowWatchCommand(terminal))
    .addCommand(flowRunCommand(terminal))
    .addHelpText("after", EXAMPLES);
}

const EXAMPLES = `
Examples:
  metanet flow replay in.pcap            every flow of a capture, one line each
  metanet flow replay in.pcap --json     the same with Zeek's names
  metanet flow follow in.pcap --stream 3 --from server > page.html
                                         what one end of a connection sent
  sudo metanet flow watch -i eth0        the connections of an interface, live
  metanet flow run monitors.ts in.pcap   a program of your own over a capture`;
