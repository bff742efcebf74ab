/**
 * Packet scripts on the measurements' router as a user loads them: the user-space engine with rules of its own making.
 * `router-scripts.ts FILE [FUNCTION HOOK in|out INTERFACE MATCH]…`, all in one isolate; a match may be empty. Says
 * `ready`, and what the scripts counted when it is told to end.
 * @module
 */
import { resolve } from "node:path";
import { instant, milliseconds } from "#base/time.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import { LinuxRandom } from "#linux/random.ts";
import type { Hook } from "#packet/packet.ts";
import { MapDirectory } from "#script/map-directory.ts";
import { UserScriptEngine } from "../../src/app/script/user-engine.ts";

const WORDS_PER_SCRIPT = 5;

const [file = "", ...words] = process.argv.slice(2);
const rules = new LinuxQueueRules();
const maps = new MapDirectory({ random: new LinuxRandom(), owner: 1, time: { now: instant(0) } });
const engine = new UserScriptEngine({
  rules,
  maps,
  trouble: (script, text) => process.stderr.write(`${script}: ${text}\n`),
});
for (let at = 0; at < words.length; at += WORDS_PER_SCRIPT) {
  const [name = "", hook = "", way = "", device = "", match = ""] = words.slice(at, at + WORDS_PER_SCRIPT);
  await engine.load({
    name,
    file: resolve(file),
    function: name,
    hook: hook as Hook,
    family: "inet",
    ...(way === "in" ? { inInterface: device } : { outInterface: device }),
    ...(match === "" ? {} : { match }),
    isolate: "bench",
    onError: "drop",
    queueCount: 1,
    deadline: milliseconds(2000),
    timeLimit: milliseconds(1000),
  });
}
process.once("SIGTERM", () => void end());
process.stdout.write("ready\n");

async function end(): Promise<void> {
  const told = (await engine.list()).map(({ spec, statistics: { packets, errors, counters, faults } }) => ({
    name: spec.name,
    packets,
    errors,
    counters,
    faults,
  }));
  process.stdout.write(`${JSON.stringify(told)}\n`);
  await engine.close();
  await rules.removeAll();
  rules.close();
  process.exit(0);
}
