/**
 * `metanet flow follow`: the bytes of one flow of a capture.
 * @module
 */
import { Command } from "commander";
import { MetanetError } from "#base/errors.ts";
import { ip } from "#base/ip-address.ts";
import { ByteOutput } from "../../flow/byte-output.ts";
import type { FollowOrder, FollowSink, FollowTarget } from "../../flow/follow.ts";
import { endpoint } from "../../flow/record-row.ts";
import { hexLines, SafeText } from "../../flow/stream-text.ts";
import type { Side } from "../../flow.ts";
import { EXIT } from "../exit-code.ts";
import { type EngineOptionTexts, engineChoice, withEngineOptions } from "../flow-option.ts";
import { readWord } from "../option.ts";
import { packetProgress } from "../progress.ts";
import type { Terminal } from "../terminal.ts";
import { UsageError } from "../typed-value.ts";
import { checksumDoubt, endWithWriter } from "./flow-replay.ts";

interface FollowOptions extends EngineOptionTexts {
  readonly stream?: string;
  readonly flow?: string;
  readonly from: string;
  readonly output: string;
  readonly hex?: boolean;
  readonly acked?: boolean;
  readonly gaps: string;
}

const FROM = ["both", "client", "server"] as const;
const GAPS = ["skip", "fill", "mark"] as const;

/** The capture has no such flow. */
export class NoSuchFlowError extends MetanetError {
  override readonly code: string = "no-such-flow";
}

export function flowFollowCommand(terminal: Terminal): Command {
  const command = new Command("follow")
    .summary("the bytes of one flow")
    .description(
      "Writes the bytes of one flow of a capture as its receivers have read them: in order, each once. On a terminal as text that does it no harm, elsewhere as they are.",
    )
    .argument("<FILE>", "a capture; - for standard input")
    .option("-s, --stream <N>", "the flow's number: 3 or tcp:3, udp:0, as `flow replay` numbers them")
    .option("--flow <ENDS>", "the first flow between two ends, such as 10.0.0.1:1025-10.0.0.2:80")
    .option("--from <END>", "client, server, or both in the order in which it came", "both")
    .option("-o, --output <FILE>", "where to; - for standard output", "-")
    .option("--hex", "a dump in hexadecimal, with each end's offsets")
    .option("--acked", "only what the receiver has acknowledged")
    .option(
      "--gaps <WAY>",
      "bytes that the capture does not have: skip them, fill in zeros, or mark them with a line of text",
      "skip",
    );
  return withEngineOptions(command)
    .addHelpText("after", MORE)
    .action(async (file: string, options: FollowOptions) => await run(terminal, file, options));
}

const MORE = `
An end of a flow is written as [2001:db8::1]:80 with IPv6. Datagrams of UDP are written one behind the other.
Missing bytes are told on standard error and make the exit code 1: retransmissions fill what they can.

Exit codes: 0 all of it, 1 bytes are missing or the capture is damaged, 2 usage, 3 there is no such flow.

Examples:
  metanet flow follow in.pcap --stream 3
  metanet flow follow in.pcap --stream 3 --from server --output page.http
  metanet flow follow in.pcap --flow '10.0.0.1:1025-10.0.0.2:80' --hex | less
  metanet flow follow in.pcap --stream 3 --gaps fill | sha256sum`;

async function run(terminal: Terminal, file: string, options: FollowOptions): Promise<void> {
  const order: FollowOrder = {
    file,
    target: targetOf(options),
    acknowledged: options.acked ?? false,
    engine: engineChoice(options),
  };
  const from = readWord(options.from, "--from", FROM);
  const gaps = readWord(options.gaps, "--gaps", GAPS);
  if (file === "-") endWithWriter();
  const { followFlow } = await import("../../flow/follow.ts");
  const output = await ByteOutput.open(options.output);
  const isText = options.output === "-" && terminal.interactive;
  const writer = options.hex
    ? new HexWriter(output)
    : isText
      ? new TextWriter(output, terminal.colour)
      : new RawWriter(output, gaps);
  const progress = isText ? undefined : packetProgress(options.output !== "-");
  const note = (text: string): void => {
    progress?.clear();
    terminal.note(text);
  };
  const reports = new GapReports(note);
  const sink: FollowSink = {
    found: (client, server) => {
      if (terminal.interactive) note(`metanet: ${client} is the client, ${server} the server`);
    },
    bytes: (side, offset, bytes) => {
      if (from === "both" || from === side) writer.bytes(side, offset, bytes);
    },
    gap: (side, offset, lengthBytes) => {
      if (from !== "both" && from !== side) return;
      writer.gap(side, offset, lengthBytes);
      reports.add(side, offset, lengthBytes);
    },
    progress: (packets) => progress?.show(packets),
    settle: () => output.settle(),
  };
  try {
    const { isFound, flowCount, warning, refusedChecksums } = await followFlow(order, sink);
    writer.end();
    if (warning !== undefined) note(`metanet: Warning: ${warning}; the packets before were followed`);
    const doubt = checksumDoubt(refusedChecksums);
    if (doubt !== undefined) note(doubt);
    if (!isFound) throw notFound(order, flowCount);
  } finally {
    progress?.clear();
    await output.close();
    reports.end();
  }
}

/** @throws UsageError */
function targetOf({ stream, flow }: FollowOptions): FollowTarget {
  if ((stream === undefined) === (flow === undefined)) {
    const seen = stream === undefined ? "no flow is named" : "--stream and --flow are both given";
    throw new UsageError(
      `Cannot follow: ${seen}; say which flow, by --stream N or by --flow ADDRESS:PORT-ADDRESS:PORT`,
    );
  }
  if (stream !== undefined) {
    const [, protocol = "tcp", digits] = /^(?:(tcp|udp)[: ]?)?(\d{1,9})$/.exec(stream) ?? [];
    if (digits === undefined) {
      throw new UsageError(`Cannot use --stream ${stream}: it is not a number such as 3, tcp:3 or udp:0`);
    }
    return { protocol: protocol === "udp" ? "udp" : "tcp", number: Number(digits) };
  }
  const [, one, two] = /^(.+:\d{1,5})-(.+:\d{1,5})$/.exec(flow ?? "") ?? [];
  return { ends: [endOf(one, flow), endOf(two, flow)] };
}

/** An end in the one way in which flows name theirs. @throws UsageError */
function endOf(text: string | undefined, flow: string | undefined): string {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([0-9.]+)):(\d+)$/.exec(text ?? "") ?? [];
  try {
    return endpoint(String(ip(bracketed ?? plain ?? "")), Number(port));
  } catch {
    throw new UsageError(
      `Cannot use --flow ${flow}: it is not like 10.0.0.1:1025-10.0.0.2:80 or [2001:db8::1]:1025-[2001:db8::2]:80`,
    );
  }
}

function notFound({ file, target }: FollowOrder, flowCount: number): NoSuchFlowError {
  const name = file === "-" ? "standard input" : file;
  if ("ends" in target) {
    const seen = `${name} has no flow between ${target.ends.join(" and ")}`;
    return new NoSuchFlowError(`Cannot follow the flow: ${seen}; see \`metanet flow replay\``);
  }
  const { protocol, number } = target;
  const seen = `${name} has ${flowCount} flows of ${protocol}, numbered from 0`;
  return new NoSuchFlowError(`Cannot follow ${protocol} ${number}: ${seen}; see \`metanet flow replay\``);
}

/** Writes as it is. */
class RawWriter {
  protected readonly output: ByteOutput;
  readonly #gaps: (typeof GAPS)[number];

  constructor(output: ByteOutput, gaps: (typeof GAPS)[number]) {
    this.output = output;
    this.#gaps = gaps;
  }

  bytes(_side: Side, _offset: number, bytes: Uint8Array): void {
    this.output.add(bytes);
  }

  gap(side: Side, _offset: number, lengthBytes: number): void {
    if (this.#gaps === "fill") this.output.addZeros(lengthBytes);
    else if (this.#gaps === "mark") this.output.addText(`\n[${gapText(side, lengthBytes)}]\n`);
  }

  end(): void {
    // All is written.
  }
}

class HexWriter extends RawWriter {
  constructor(output: ByteOutput) {
    super(output, "mark");
  }

  override bytes(side: Side, offset: number, bytes: Uint8Array): void {
    for (const line of hexLines(offset, bytes)) this.output.addText(`${side}  ${line}\n`);
  }

  override gap(side: Side, offset: number, lengthBytes: number): void {
    const place = offset.toString(16).padStart(8, "0");
    this.output.addText(`${side}  ${place}  ${lengthBytes} bytes are missing\n`);
  }
}

/** For people: the client's text in a colour of its own. */
class TextWriter extends RawWriter {
  readonly #texts = { client: new SafeText(), server: new SafeText() };
  readonly #colour: boolean;
  #isAtStart = true;

  constructor(output: ByteOutput, colour: boolean) {
    super(output, "mark");
    this.#colour = colour;
  }

  override bytes(side: Side, _offset: number, bytes: Uint8Array): void {
    this.#write(side, this.#texts[side].decode(bytes));
  }

  override end(): void {
    for (const side of ["client", "server"] as const) this.#write(side, this.#texts[side].end());
    if (!this.#isAtStart) this.output.addText("\n");
  }

  #write(side: Side, text: string): void {
    if (text === "") return;
    this.#isAtStart = text.endsWith("\n");
    const isColoured = this.#colour && side === "client";
    this.output.addText(isColoured ? `\u001b[36m${text}\u001b[0m` : text);
  }
}

function gapText(side: Side, lengthBytes: number): string {
  return `${lengthBytes} bytes of the ${side} are missing`;
}

/** Gaps told one by one; the others are counted. */
const REPORT_COUNT_MAX = 10;

class GapReports {
  readonly #note: (text: string) => void;
  #count = 0;
  #bytes = 0;

  constructor(note: (text: string) => void) {
    this.#note = note;
  }

  add(side: Side, offset: number, lengthBytes: number): void {
    process.exitCode = EXIT.failed;
    this.#count++;
    this.#bytes += lengthBytes;
    if (this.#count > REPORT_COUNT_MAX) return;
    this.#note(`metanet: ${gapText(side, lengthBytes)}, from offset ${offset} on`);
  }

  end(): void {
    if (this.#count <= REPORT_COUNT_MAX) return;
    this.#note(`metanet: ${this.#bytes} bytes are missing in all, at ${this.#count} places`);
  }
}
