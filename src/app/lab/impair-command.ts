/**
 * `metanet lab impair`: an impaired link until Ctrl-C, on kernels without netem as well.
 * @module
 */
import { constants, setPriority } from "node:os";
import { Command, Option } from "commander";
import { UnavailableError } from "#base/errors.ts";
import { type Duration, seconds } from "#base/time.ts";
import { enterNamespace } from "#linux/namespace.ts";
import { native } from "#linux/native.ts";
import type { ImpairmentOptions } from "#script/impairment-options.ts";
import { untilInterrupted } from "../cli/interrupt.ts";
import { readDuration } from "../cli/option.ts";
import type { Terminal } from "../cli/terminal.ts";
import { UsageError } from "../cli/typed-value.ts";
import { clearInterface, type ImpairedInterface, impairInterface } from "./impair-interface.ts";
import { findLink, type LinkEnd } from "./impair-link.ts";
import { describeImpairment, type ImpairWords, randomSeed, readImpairment } from "./impair-options.ts";
import { describeReport, reportWay } from "./impair-report.ts";

const LIVE_PERIOD = seconds(1);

/** From the first step on: what has begun is undone in order. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Ends the command with its standard input. */
export const UNTIL_INPUT_ENDS = "--until-input-ends";

interface CommandOptions extends ImpairWords {
  readonly both?: boolean;
  readonly match?: string;
  readonly for?: string;
  readonly every?: string;
  readonly json?: boolean;
  readonly clear?: boolean;
  readonly untilInputEnds?: boolean;
}

export function impairCommand(terminal: Terminal): Command {
  return (
    new Command("impair")
      .summary("make a link slow, lossy or narrow until Ctrl-C")
      .description(DESCRIPTION)
      .argument(
        "<LINK>",
        "an interface, NAMESPACE:INTERFACE, or a link of a running lab: lan, wan, client1, HOST:INTERFACE",
      )
      .option("--delay <TIME>", "how long each packet stays in the link")
      .option(
        "--jitter <TIME>",
        "how much delays differ: the half width when uniform, else the standard deviation",
      )
      .option("--distribution <FORM>", "of the delays: uniform, normal or pareto (uniform)")
      .option("--correlation <SHARE>", "how much a delay resembles the one before")
      .option(
        "--jitter-reorders",
        "packets with small delays pass earlier ones with great delays, as in netem",
      )
      .option("--loss <SHARE>", "packets lost; 1%,25% adds how much that resembles the packet before")
      .option("--loss-bursts <P,R>", "losses in bursts instead: P[,R[,1-H[,1-K]]] of tc's `loss gemodel`")
      .option("--duplicate <SHARE>", "packets that come twice; with a correlation as for --loss")
      .option(
        "--reorder <SHARE>",
        "packets that leave at once, past all that are delayed; with a correlation",
      )
      .option("--gap <N>", "of --reorder: only every Nth packet may pass others")
      .option("--corrupt <SHARE>", "packets with one bit turned behind the IP header; with a correlation")
      .option("--rate <RATE>", "20mbit, 500kbit; 10kbps are bytes per second as in tc")
      .option(
        "--limit <N>",
        "packets the link holds; the next are lost (12000; with a rate 1000 or twice its flight)",
      )
      .option("--seed <N>", "the same seed decides the same for the same packets; drawn and printed at first")
      .option("--both", "also what comes in by the interface, with draws of its own")
      .option("--match <EXPRESSION>", "only packets that nft's expression takes: 'udp dport 53'")
      .option("--for <DURATION>", "end after so long")
      .option("--every <DURATION>", "print the numbers again and again")
      .option("--json", "print JSON lines: ready, with --every progress, end")
      .option("--clear", "only remove what a killed one left behind")
      // For programs that start this one: it does not outlive them.
      .addOption(new Option(UNTIL_INPUT_ENDS).hideHelp())
      .addHelpText("after", HELP)
      .action(async (text: string, options: CommandOptions) => {
        const run = readRun(options);
        if (process.getuid?.() !== 0) {
          throw new UnavailableError("Cannot impair a link: that needs root; run it with sudo");
        }
        const link = findLink(text);
        // Before anything of the kernel is opened: sockets stay in the namespace they are made in.
        if (link.namespace !== undefined) enterNamespace(link.namespace);
        if (run === undefined) await clear(terminal, text, link, options.json === true);
        else await impair(terminal, text, link, run);
      })
  );
}

const DESCRIPTION =
  "Impairs what leaves by an interface, as tc's netem does, with netfilter's queue: IPv4 and IPv6, routed or of this machine, and over a bridge's port. ARP and everything else that is not IP is not touched. Ends with Ctrl-C, SIGTERM or --for; when it dies, traffic goes on unimpaired.";

const HELP = `
Examples:
  metanet lab impair eth0 --delay 20ms --jitter 5ms --loss 1%
  metanet lab impair client1 --rate 20mbit --delay 40ms --for 30s      a link of a running lab
  metanet lab impair lab-a:eth0 --loss 1% --duplicate 0.1% --seed 7 --json

Times are ms, s or us, shares have a %. Segments pass one by one, never as aggregates. A rate counts the Ethernet header.
A duplicate goes through this machine's output rules like a packet of its own; one longer than the MTU is not sent.
Connection tracking in the same namespace takes packets of a new connection that are held at the same time for several.
`;

interface Run {
  readonly impairment: ImpairmentOptions;
  readonly both: boolean;
  readonly match: string | undefined;
  readonly limit: Duration | undefined;
  readonly every: Duration | undefined;
  readonly json: boolean;
  readonly untilInputEnds: boolean;
}

/** `undefined` to clear only. @throws UsageError */
function readRun(options: CommandOptions): Run | undefined {
  const { clear: isClearing, json, untilInputEnds, ...rest } = options;
  if (isClearing) {
    const [other] = Object.keys(rest);
    if (other !== undefined) throw new UsageError(`Cannot use --clear with --${other}: it only removes`);
    return undefined;
  }
  return {
    impairment: readImpairment(options, () => randomSeed(Math.random)),
    both: options.both === true,
    match: options.match,
    limit: options.for === undefined ? undefined : readDuration(options.for, "--for"),
    every: options.every === undefined ? undefined : readDuration(options.every, "--every"),
    json: json === true,
    untilInputEnds: untilInputEnds === true,
  };
}

async function clear(terminal: Terminal, text: string, link: LinkEnd, json: boolean): Promise<void> {
  await clearInterface(link.name);
  terminal.out(json ? JSON.stringify({ event: "clear", link: text }) : `${text}: nothing impairs it`);
}

async function impair(terminal: Terminal, text: string, link: LinkEnd, run: Run): Promise<void> {
  const { impairment, both, match } = run;
  const ended = Promise.withResolvers<void>();
  let gone = false;
  const stop = (): void => ended.resolve();
  // Others end at once when their reader has gone; this one has rules to remove.
  process.stdout.removeAllListeners("error").on("error", stop);
  for (const signal of SIGNALS) process.on(signal, stop);
  hurry();
  const startedAt = performance.now();
  const impaired = await impairInterface({ link, impairment, both, ...(match !== undefined && { match }) });
  const screen = new Screen(terminal, text, impaired, run.json, startedAt);
  const watch = setInterval(() => {
    gone = !isThere(link);
    if (gone) stop();
    else screen.live();
  }, LIVE_PERIOD);
  const progress =
    run.every === undefined ? undefined : setInterval(() => screen.progress("progress"), run.every);
  if (run.untilInputEnds) process.stdin.on("end", stop).resume();
  try {
    screen.ready(describeImpairment(impairment), both, impairment);
    await untilInterrupted(run.limit, ended.promise);
  } finally {
    clearInterval(watch);
    clearInterval(progress);
    await impaired.stop();
    for (const signal of SIGNALS) process.off(signal, stop);
    if (run.untilInputEnds) process.stdin.destroy();
  }
  screen.progress("end");
  if (gone) throw new UnavailableError(`Cannot go on impairing ${text}: the interface is gone`);
}

/** A packet's time shall not wait for others' work. Where it may not go first it is later under load, and says so. */
function hurry(): void {
  try {
    setPriority(constants.priority.PRIORITY_HIGH);
  } catch {
    // Root without CAP_SYS_NICE, as in some containers.
  }
}

function isThere({ name, index }: LinkEnd): boolean {
  try {
    return native().interfaceIndex(name) === index;
  } catch {
    return false;
  }
}

/** What is printed, and when. */
class Screen {
  readonly #terminal: Terminal;
  readonly #link: string;
  readonly #impaired: ImpairedInterface;
  readonly #json: boolean;
  readonly #startedAt: number;
  readonly #isLive: boolean;

  constructor(
    terminal: Terminal,
    link: string,
    impaired: ImpairedInterface,
    json: boolean,
    startedAt: number,
  ) {
    this.#terminal = terminal;
    this.#link = link;
    this.#impaired = impaired;
    this.#json = json;
    this.#startedAt = startedAt;
    this.#isLive = !json && process.stderr.isTTY === true;
  }

  ready(what: string, both: boolean, impairment: ImpairmentOptions): void {
    const ways = both ? "both ways" : "what leaves";
    if (this.#json) this.#print({ event: "ready", link: this.#link, both, impairment });
    else this.#terminal.out(`${this.#link}, ${ways}: ${what}; ends with Ctrl-C`);
  }

  /** One line that is written over and over, for people who look. */
  live(): void {
    if (!this.#isLive) return;
    const text = this.#reports().map(describeReport).join("  ");
    const room = Math.max(20, (process.stderr.columns ?? 80) - 1);
    process.stderr.write(`${CLEAR_LINE}${text.slice(0, room)}`);
  }

  progress(event: "progress" | "end"): void {
    if (this.#json) {
      const elapsed = Number(((performance.now() - this.#startedAt) / 1000).toFixed(3));
      this.#print({ event, link: this.#link, seconds: elapsed, directions: this.#reports() });
      return;
    }
    if (this.#isLive) process.stderr.write(CLEAR_LINE);
    for (const report of this.#reports()) this.#terminal.out(`${this.#link} ${describeReport(report)}`);
  }

  #reports() {
    return this.#impaired.directions.map(reportWay);
  }

  #print(value: object): void {
    this.#terminal.out(JSON.stringify(value));
  }
}

/** ECMA-48: to the line's start, and erase it. */
const CLEAR_LINE = "\r\u001b[2K";
