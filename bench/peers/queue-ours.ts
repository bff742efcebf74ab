/**
 * The packet script engine as the measurements' rig runs it: `queue-ours.ts FIRST[:LAST] accept|read|nat
 * whole|split COPY-RANGE [INSIDE OUTSIDE]`, on a queue or several to which the rig leads packets by rules of its own. Says
 * `ready`, and what it counted when it is told to end.
 * @module
 */
import { join } from "node:path";
import { instant, milliseconds } from "#base/time.ts";
import { QUEUE_RULE_MARKS, type QueueRules } from "#io/queue-rules.ts";
import { LinuxRandom } from "#linux/random.ts";
import { MapDirectory } from "#script/map-directory.ts";
import { UserScriptEngine } from "../../src/app/script/user-engine.ts";

const [queues = "", mode = "", segments = "", copyRange = "", inside = "", outside = ""] =
  process.argv.slice(2);

const [first = 0, last = first] = queues.split(":").map(Number);

/** The rig has rules of its own. */
const rules: QueueRules = {
  marks: QUEUE_RULE_MARKS,
  load: async () => undefined,
  reserve: async () => [],
  repair: async () => [],
  detach: async () => undefined,
  unload: async () => undefined,
  check: async () => undefined,
  counts: async () => [],
  removeAll: async () => undefined,
  close: () => undefined,
};

// The script's isolate gets a copy.
Object.assign(process.env, {
  BENCH_MODE: mode,
  BENCH_SEGMENTS: segments,
  BENCH_COPY_RANGE: copyRange,
  BENCH_INSIDE: inside,
  BENCH_OUTSIDE: outside,
});
const maps = new MapDirectory({ random: new LinuxRandom(), owner: 1, time: { now: instant(0) } });
const engine = new UserScriptEngine({ rules, maps, queueNumberFirst: first });
await engine.load({
  name: "bench",
  file: join(import.meta.dirname, "queue-ours-script.ts"),
  function: mode,
  hook: mode === "nat" ? "postrouting" : "forward",
  family: "inet",
  isolate: "bench",
  onError: "drop",
  queueCount: last - first + 1,
  deadline: milliseconds(2000),
  timeLimit: milliseconds(1000),
});

process.once("SIGTERM", () => void end());
process.stdout.write("ready\n");

async function end(): Promise<void> {
  const [loaded] = await engine.list();
  const { packets = 0, counters = {}, ...others } = loaded?.statistics ?? {};
  const { counted = 0, modified = 0 } = counters;
  process.stdout.write(`${JSON.stringify({ packets, counted, modified, ...others })}\n`);
  await engine.close();
  process.exit(0);
}
