/**
 * `metanet flow watch`: the open flows of an interface, live.
 * @module
 */
import { once } from "node:events";
import { Command } from "commander";
import { type Duration, formatInstant, instant, milliseconds } from "#base/time.ts";
import { readCapture } from "../../capture-file.ts";
import type { LiveOrder } from "../../flow/live-source.ts";
import type { FlowWatch } from "../../flow/watch.ts";
import { WATCH_ORDERS, WatchLane, type WatchOrder, type WatchSnapshot } from "../../flow/watch-lane.ts";
import { formatBytes } from "../columns.ts";
import { type EngineOptionTexts, engineChoice, withEngineOptions, workerCount } from "../flow-option.ts";
import { flowTable, watchLines } from "../flow-table.ts";
import { untilInterrupted } from "../interrupt.ts";
import { readDuration, readWhole, readWord } from "../option.ts";
import { Screen } from "../screen.ts";
import type { Terminal } from "../terminal.ts";
import { UsageError } from "../typed-value.ts";

interface WatchOptions extends EngineOptionTexts {
  readonly interface?: string;
  readonly filter?: string;
  readonly interval: string;
  readonly rows: string;
  readonly sort: string;
  readonly json?: boolean;
  readonly promiscuous?: boolean;
  readonly workers?: string;
  readonly for?: string;
}

const INTERVAL_MIN: Duration = milliseconds(100);
const ROWS_MAX = 100_000;

export function flowWatchCommand(terminal: Terminal): Command {
  const command = new Command("watch")
    .summary("the open flows of an interface, live")
    .description(
      "Shows the open flows of an interface, or of a capture, again and again: both ends with their emulated TCP states, packets, bytes, rates, what was sent again. A table that is drawn over on a terminal, lines elsewhere. Ctrl-C ends it with a sum.",
    )
    .argument("[FILE]", "a capture instead of an interface; - for standard input")
    .option("-i, --interface <NAME>", "the interface, or any for all of them; any when absent")
    .option(
      "-f, --filter <EXPRESSION>",
      "only what passes, in tcpdump's language: of an interface every packet is asked, in the kernel; of a capture a flow's first",
    )
    .option("--interval <DURATION>", "how often", "1s")
    .option("-n, --rows <N>", "flows shown at most; on a terminal what has room", "1000")
    .option("--sort <WAY>", `the most first: ${WATCH_ORDERS.join(", ")}`, "rate")
    .option("--for <DURATION>", "end after so long")
    .option("-p, --promiscuous", "what is meant for others, too")
    .option("-w, --workers <N>", "threads that share the flows of an interface; 1 when absent")
    .option("--json", "one line of JSON each time");
  return withEngineOptions(command)
    .addHelpText("after", MORE)
    .action(async (file: string | undefined, options: WatchOptions) => await run(terminal, file, options));
}

const MORE = `
Keys: s sorts by the next of rate, bytes, packets, age; q ends it.
Columns: STATE is that of the end in front of it, as RFC 9293 names it; PACKETS and BYTES are of both ways, bytes those of IP
packets; AGAIN counts retransmissions; AGE is since the first packet, IDLE since the last. Packets lost are those that found
no room in the ring because this program is too slow: give a filter, or workers.
With a filter that asks for one direction (src, dst) an interface shows one half of each connection.

Exit codes: 0 done, 1 the interface is not there or went away, or the filter is wrong; 2 usage; 6 not root.

Examples:
  sudo metanet flow watch
  sudo metanet flow watch -i eth0 --filter 'tcp port 443' --sort bytes
  sudo metanet flow watch -i eth0 --json --interval 10s | jq -c '{time, open, lost}'
  metanet flow watch in.pcap --interval 1m`;

async function run(terminal: Terminal, file: string | undefined, options: WatchOptions): Promise<void> {
  const interval = readDuration(options.interval, "--interval");
  if (interval < INTERVAL_MIN) {
    throw new UsageError(`Cannot use --interval ${options.interval}: at least 100ms`);
  }
  const rowCountMax = readWhole(options.rows, "--rows", 1, ROWS_MAX);
  const order = readWord(options.sort, "--sort", WATCH_ORDERS);
  const workers = workerCount(options.workers);
  if (file !== undefined && (options.interface !== undefined || workers > 1)) {
    throw new UsageError(
      "Cannot watch: --interface and --workers are for interfaces, and a capture is given",
    );
  }
  const view = new View(terminal, { isJson: options.json === true, rowCountMax, order });
  const limit = options.for === undefined ? undefined : readDuration(options.for, "--for");
  try {
    if (file !== undefined) await watchFile(terminal, file, options, { view, interval, limit });
    else {
      const { interface: name = "any", filter, promiscuous = false } = options;
      const live = { interface: name, promiscuous, ...(filter === undefined ? {} : { filter }) };
      // What reads interfaces is loaded by who does: the other commands stand in the same program.
      const { watchInterface } = await import("../../flow/watch.ts");
      const watch = await watchInterface(live, engineChoice(options), workers);
      await watchLive(live, watch, { view, interval, limit });
    }
  } finally {
    view.close();
  }
}

interface Course {
  readonly view: View;
  readonly interval: Duration;
  readonly limit: Duration | undefined;
}

async function watchLive(
  live: LiveOrder,
  watch: FlowWatch,
  { view, interval, limit }: Course,
): Promise<void> {
  const begin = performance.now();
  const over = Promise.withResolvers<void>();
  const pause = new Pause();
  // A signal is heard all the time, also while a picture is made.
  let isOver = false;
  void untilInterrupted(limit, over.promise).then(() => {
    isOver = true;
    pause.end(false);
  });
  view.begin(() => pause.end(true));
  try {
    while (!isOver && !view.isEnded) {
      const isAgain = await pause.last(interval);
      if (isOver || view.isEnded) break;
      const snapshot = await watch.snapshot(view.order, view.countMax);
      await view.show(live.interface, snapshot, snapshot.ring.droppedCount, isAgain);
    }
    const snapshot = await watch.snapshot(view.order, view.countMax);
    const { droppedCount } = snapshot.ring;
    view.sum(live.interface, snapshot, (performance.now() - begin) / 1000, droppedCount);
  } finally {
    over.resolve();
    await watch.close();
  }
}

/** Time between two pictures, that something may cut short. */
class Pause {
  #end: (isCut: boolean) => void = () => undefined;

  /** Resolves after `duration` with false, or with what {@link end} says before. */
  async last(duration: Duration): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#end = resolve;
    const timer = setTimeout(resolve, duration, false);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  end(isCut: boolean): void {
    this.#end(isCut);
  }
}

/** The same by a capture's clock, as fast as it can be read. */
async function watchFile(
  terminal: Terminal,
  file: string,
  options: WatchOptions,
  { view, interval, limit }: Course,
): Promise<void> {
  const capture = await readCapture(file);
  const lane = new WatchLane(engineChoice(options), options.filter);
  const { record } = capture;
  let begin: number | undefined;
  let next = 0;
  let time = 0;
  view.begin(() => undefined);
  try {
    reading: while (!view.isEnded && (await capture.more())) {
      while (capture.next()) {
        time = record.seconds * 1000 + record.nanoseconds / 1e6;
        begin ??= time;
        if (limit !== undefined && time >= begin + limit) break reading;
        if (next === 0) next = time + interval;
        if (time >= next) {
          lane.advance(next);
          await view.show(file, lane.snapshot(view.order, view.countMax), 0, false);
          next += interval * Math.ceil((time - next + 1) / interval);
        }
        lane.handle(record);
      }
    }
    const snapshot = lane.snapshot(view.order, view.countMax);
    await view.show(file, snapshot, 0, false);
    view.sum(file, snapshot, (time - (begin ?? time)) / 1000, 0);
    const { truncation } = capture;
    if (truncation !== undefined) {
      terminal.note(`metanet: Warning: ${truncation.message}; the packets before were watched`);
    }
  } finally {
    await capture.close();
  }
}

interface ViewOptions {
  readonly isJson: boolean;
  readonly rowCountMax: number;
  readonly order: WatchOrder;
}

/** Lines above the table on a terminal: two about all flows, one empty, the headings. */
const LINES_ABOVE = 4;

/** Where it is shown: a page, lines, or JSON. */
class View {
  order: WatchOrder;
  isEnded = false;
  readonly #terminal: Terminal;
  readonly #options: ViewOptions;
  readonly #isPage: boolean;
  #screen: Screen | undefined;
  #before: WatchSnapshot | undefined;
  #last: WatchSnapshot | undefined;

  constructor(terminal: Terminal, options: ViewOptions) {
    this.#terminal = terminal;
    this.#options = options;
    this.order = options.order;
    this.#isPage = terminal.interactive && !options.isJson;
  }

  /** @param touched is told of keys that change something */
  begin(touched: () => void): void {
    if (!this.#isPage) return;
    this.#screen = new Screen((key) => {
      if (this.#key(key)) touched();
    });
  }

  /** Flows that can be shown. */
  get countMax(): number {
    const { rowCountMax } = this.#options;
    return this.#screen === undefined
      ? rowCountMax
      : Math.min(rowCountMax, this.#screen.height - LINES_ABOVE);
  }

  async show(source: string, snapshot: WatchSnapshot, lost: number, isAgain: boolean): Promise<void> {
    if (!isAgain) {
      this.#before = this.#last;
      this.#last = snapshot;
    }
    if (this.#options.isJson) this.#terminal.out(JSON.stringify(this.#json(snapshot, lost)));
    else if (this.#screen === undefined) this.#lines(source, snapshot, lost);
    else this.#page(this.#screen, source, snapshot, lost);
    // Whoever does not read holds us up here, and not in memory.
    if (process.stdout.writableNeedDrain) await once(process.stdout, "drain");
  }

  /** What it was, when it is over. */
  sum(source: string, snapshot: WatchSnapshot, time: number, lost: number): void {
    this.close();
    const { statistics, bytes, ended } = snapshot;
    const number = (count: number): string => count.toLocaleString("en");
    const out = this.#options.isJson ? this.#terminal.note : this.#terminal.out;
    out(
      `${source}: ${number(statistics.frames)} packets, ${formatBytes(bytes)}, in ${time.toFixed(1)} s; ` +
        `${number(statistics.flowsSeen)} flows, ${number(statistics.flows)} of them open`,
    );
    const ways = Object.entries(ended).map(([reason, count]) => `${reason} ${number(count)}`);
    if (ways.length > 0) out(`  ended      ${ways.join(", ")}`);
    if (lost > 0) out(`  lost       ${number(lost)} packets found no room in the ring`);
    if (statistics.evicted > 0) out(`  evicted    ${number(statistics.evicted)} flows; see --flows-max`);
  }

  close(): void {
    this.#screen?.close();
    this.#screen = undefined;
  }

  #key(key: string): boolean {
    if (key === "q") this.isEnded = true;
    else if (key === "s") {
      this.order = WATCH_ORDERS[(WATCH_ORDERS.indexOf(this.order) + 1) % WATCH_ORDERS.length] ?? "rate";
    } else return false;
    return true;
  }

  #page(screen: Screen, source: string, snapshot: WatchSnapshot, lost: number): void {
    const { width } = screen;
    const clock = formatInstant(instant(snapshot.time)).slice(11, 19);
    const above = [...watchLines(snapshot, this.#before, lost)];
    const [first = "", second = ""] = above;
    const lines = [
      `${clock}  ${source}: ${first}; by ${this.order} (s), q ends`.slice(0, width),
      `          ${second}`.slice(0, width),
      "",
      ...flowTable(snapshot.flows, { width, colour: this.#terminal.colour }),
    ];
    screen.draw(lines);
  }

  #lines(source: string, snapshot: WatchSnapshot, lost: number): void {
    const { out } = this.#terminal;
    const above = [...watchLines(snapshot, this.#before, lost)];
    out(`${formatInstant(instant(snapshot.time))}  ${source}: ${above.join("; ")}`);
    if (snapshot.flows.length === 0) return;
    const width = this.#terminal.interactive ? process.stdout.columns : undefined;
    for (const line of flowTable(snapshot.flows, { width, colour: false })) out(line);
    out("");
  }

  #json(snapshot: WatchSnapshot, lost: number): object {
    const { statistics, time, bytes, ended, states, flows } = snapshot;
    return {
      time: time / 1000,
      open: statistics.flows,
      seen: statistics.flowsSeen,
      packets: statistics.frames,
      bytes,
      lost,
      ended,
      states,
      flows,
    };
  }
}
