/**
 * `metanet flow replay`: the flows of a capture, one line each.
 * @module
 */
import { stat } from "node:fs/promises";
import { Command } from "commander";
import { RECORD_HEADINGS } from "../../flow/record-row.ts";
import type { LaneSummary, ReplayOrder } from "../../flow/replay-lane.ts";
import type { FlowStatistics } from "../../flow.ts";
import { formatBytes } from "../columns.ts";
import { type EngineOptionTexts, engineChoice, withEngineOptions, workerCount } from "../flow-option.ts";
import { packetProgress } from "../progress.ts";
import { LineOutput, RowOutput } from "../row-output.ts";
import type { Terminal } from "../terminal.ts";
import { UsageError } from "../typed-value.ts";

interface ReplayOptions extends EngineOptionTexts {
  readonly json?: boolean;
  readonly filter?: string;
  readonly workers?: string;
}

export function flowReplayCommand(terminal: Terminal): Command {
  const command = new Command("replay")
    .summary("the flows of a capture")
    .description(
      "Follows the flows of a capture (pcap or pcapng, also gzipped) and tells of each when it ends, by the capture's clock: a table and a sum, or JSON with the names and meanings of Zeek's conn.log.",
    )
    .argument("<FILE>", "a capture; - for standard input")
    .option("--json", "one line of JSON for each flow, and nothing else")
    .option("-f, --filter <EXPRESSION>", "only flows whose first packet passes, in tcpdump's language")
    .option("-w, --workers <N>", "threads that share the flows by their addresses; 1 when absent");
  return withEngineOptions(command)
    .addHelpText("after", MORE)
    .action(async (file: string, options: ReplayOptions) => await run(terminal, file, options));
}

const MORE = `
Flows are told of in the order in which they end: connections five seconds after both ends have closed or one has reset
them, what is quiet after a while (a SYN without answer 30 s, connections 5 min, datagrams 60 s), all others at the end of
the capture. Of standard input Ctrl-C is its end. STREAM numbers TCP connections and UDP flows, each from 0, in the order of their first packets, as
\`flow follow --stream\` takes them and as tshark numbers tcp.stream where no flow is quiet for too long. With several
workers the lines are the same; those that one packet ends may come in another order.

SENT and RECEIVED are bytes of payload, by the sequence numbers of TCP; as in Zeek they and SECONDS are missing of flows
that are all in one moment.

STATE is Zeek's conn_state: S0 no answer, S1 established, SF ended in order, REJ refused, S2 S3 half closed, RSTO RSTR
reset by client or server, RSTOS0 RSTRH reset before it began, SH SHR ended before it began, OTH no start seen.
HISTORY has a letter for each thing in the order in which it happened, of the client in capitals: s SYN, h SYN with ACK,
a ACK, d data, f FIN, r RST, t data again, g data that is missing, w a window of 0, i and q flags that do not go together,
^ when the server was seen first. Most come once; s h f r again with another number, t g w the 10th, 100th, ... time. JSON has, besides Zeek's fields, stream, end (how the flow ended) and encapsulation. A
flow's uid is the same each time the same capture is replayed.

Exit codes: 0 done (a capture that ends inside of a packet is told), 1 the capture is damaged or cannot be read, or the
filter is wrong; 2 usage.

Examples:
  metanet flow replay in.pcap
  metanet flow replay in.pcap --filter 'tcp port 80 and net 10.0.0.0/8'
  metanet flow replay in.pcap --json | jq -r 'select(.conn_state=="REJ") | ."id.orig_h"'
  zcat old.pcap.gz | metanet flow replay - --json`;

const NUMERIC = ["SECONDS", "SENT", "RECEIVED", "PACKETS"];

async function run(terminal: Terminal, file: string, options: ReplayOptions): Promise<void> {
  const { json = false, filter } = options;
  const workers = workerCount(options.workers);
  const order: ReplayOrder = {
    file,
    json,
    engine: engineChoice(options),
    ...(filter === undefined ? {} : { filter }),
  };
  if (workers > 1) await checkReadable(file);
  const { replayCapture } = await import("../../flow/replay.ts");
  const progress = packetProgress();
  const lines = new LineOutput(terminal, progress.clear);
  const rows = new RowOutput({ headings: RECORD_HEADINGS, numeric: NUMERIC }, (line) => lines.add(line));
  if (file === "-") endWithWriter();
  try {
    const { summary, problem } = await replayCapture(order, workers, {
      row: json
        ? (row, mark) => lines.add(withStream(row, mark))
        : (row, mark) => rows.add([streamName(mark), ...row.split("\t")]),
      progress: progress.show,
      settle: () => {
        rows.settle();
        return lines.settle();
      },
    });
    rows.end();
    await lines.settle();
    progress.clear();
    if (!json) for (const line of summaryLines(summary)) terminal.out(line);
    const { warning } = summary;
    if (warning !== undefined)
      terminal.note(`metanet: Warning: ${warning}; the packets before were replayed`);
    const { strangeLinkType } = summary;
    if (strangeLinkType !== undefined) {
      terminal.note(
        `metanet: Warning: packets of link type ${strangeLinkType} are not looked at: it is not known here; capture as Ethernet, raw IP or Linux cooked`,
      );
    }
    if (json) {
      for (const doubt of [checksumDoubt(summary.statistics.refusedChecksums), cutDoubt(summary)]) {
        if (doubt !== undefined) terminal.note(doubt);
      }
    }
    if (problem !== undefined) throw problem;
  } finally {
    progress.clear();
  }
}

/**
 * Ctrl-C in front of a pipe ends whoever writes into it as well: what came until then is read to its end. Once more ends
 * this program.
 */
export function endWithWriter(): void {
  process.once("SIGINT", () => undefined);
}

/** Every worker reads the file for itself. */
export async function checkReadable(file: string): Promise<void> {
  const isFile =
    file !== "-" &&
    (await stat(file).then(
      (state) => state.isFile(),
      () => true,
    ));
  if (isFile) return;
  const what = file === "-" ? "standard input" : file;
  throw new UsageError(
    `Cannot use --workers with ${what}: each worker reads all of it, and it can be read only once; save it to a file`,
  );
}

/** `tcp 3`, or `-` for what is not numbered. */
function streamName(mark: number): string {
  const kind = mark & 3;
  if (kind === 0) return "-";
  return `${kind === 1 ? "tcp" : "udp"} ${Math.floor(mark / 4)}`;
}

function withStream(row: string, mark: number): string {
  return (mark & 3) === 0 ? row : `${row.slice(0, -1)},"stream":${Math.floor(mark / 4)}}`;
}

function* summaryLines({ frames, bytes, firstTime, lastTime, ...summary }: LaneSummary): Iterable<string> {
  const number = (count: number): string => count.toLocaleString("en");
  const counted = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .sort(([, one], [, two]) => two - one)
      .map(([name, count]) => `${name} ${number(count)}`)
      .join(", ");
  const { statistics, states, protocols, missedBytes } = summary;
  const flows = Object.values(protocols).reduce((sum, count) => sum + count, 0);
  const time = firstTime === undefined ? 0 : (lastTime - firstTime) / 1000;
  if (flows > 0) yield "";
  yield `${counting(flows, "flow")} in ${counting(frames, "packet")}, ${formatBytes(bytes)}, ${time.toFixed(3)} s of the capture`;
  const more: [name: string, text: string][] = [
    ["protocols", counted(protocols)],
    ["states", counted(states)],
    ["not IP", count(statistics.otherFrames)],
    ["malformed", count(statistics.malformed)],
    ["cut short", cutText(summary)],
    ["bad sums", badSums(statistics)],
    ["fragments", count(statistics.fragments)],
    ["no flow", count(statistics.orphans)],
    ["missing", missedBytes > 0 ? formatBytes(missedBytes) : ""],
    ["evicted", statistics.evicted > 0 ? `${number(statistics.evicted)} flows; see --flows-max` : ""],
  ];
  for (const [name, text] of more) if (text !== "") yield `  ${name.padEnd(9)}  ${text}`;
}

function count(value: number): string {
  return value > 0 ? value.toLocaleString("en") : "";
}

function counting(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function badSums({ badChecksums, refusedChecksums }: FlowStatistics): string {
  if (badChecksums === 0) return "";
  if (refusedChecksums === 0) return counting(badChecksums, "packet");
  return `${counting(badChecksums, "packet")}, ${refusedChecksums.toLocaleString("en")} left out; see --checksums`;
}

/** Packets of which the capture has not all, what hides their headers and bytes; "" when there are none. */
function cutText({ cutFrames, statistics }: Pick<LaneSummary, "cutFrames" | "statistics">): string {
  if (cutFrames === 0) return "";
  const more = statistics.malformed > 0 ? ", of some not all headers; capture with a larger snap length" : "";
  return `${counting(cutFrames, "packet")}${more}`;
}

/** For those who are shown no sum: that packets may have been left out because their headers were cut off. */
function cutDoubt(summary: LaneSummary): string | undefined {
  const { malformed } = summary.statistics;
  if (summary.cutFrames === 0 || malformed === 0) return undefined;
  return `metanet: Warning: ${counting(malformed, "packet")} malformed or without whole headers left out; ${counting(summary.cutFrames, "packet")} were cut short by the capture`;
}

/** For those who are shown no sum: that packets did not count. */
export function checksumDoubt(refusedCount: number): string | undefined {
  if (refusedCount === 0) return undefined;
  return `metanet: Warning: ${counting(refusedCount, "packet")} with wrong checksums left out; see --checksums`;
}
