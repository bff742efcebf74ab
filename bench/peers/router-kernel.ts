/**
 * Packet scripts in the kernel on the measurements' router, through the engine that packetd has.
 * `router-kernel.ts FILE [FUNCTION HOOK in|out INTERFACE]…`; says `ready`, and what was counted when it is told to end.
 * @module
 */
import { resolve } from "node:path";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { LinuxClock } from "#linux/clock.ts";
import { native } from "#linux/native.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import { LinuxRandom } from "#linux/random.ts";
import { MapDirectory } from "#script/map-directory.ts";
import { scriptSpec } from "#service/packetd/config.ts";
import { ThreadKernelCompiler } from "../../src/app/script/kernel-compiler.ts";
import { KernelScriptEngine } from "../../src/app/script/kernel-engine.ts";
import { KernelMapStore } from "../../src/app/script/kernel-maps.ts";
import { UserScriptEngine } from "../../src/app/script/user-engine.ts";

const WORDS_PER_SCRIPT = 4;

const [file = "", ...words] = process.argv.slice(2);
const programs = new LinuxKernelPrograms();
const clock = new LinuxClock();
const time = {
  get now() {
    return clock.now();
  },
};
const maps = new KernelMapStore({ programs, pins: undefined, time });
const rules = new LinuxQueueRules();
// For what is handed over: nothing here.
const user = new UserScriptEngine({
  rules,
  maps: new MapDirectory({ random: new LinuxRandom(), owner: 1, time, kernel: maps }),
});
const engine = new KernelScriptEngine({
  programs,
  compiler: new ThreadKernelCompiler(),
  interfaces: { index: (name) => native().interfaceIndex(name), isEthernet: () => true },
  maps,
  user,
  handOverMarks: [],
});
for (let at = 0; at < words.length; at += WORDS_PER_SCRIPT) {
  const [name = "", hook = "", way = "", device = ""] = words.slice(at, at + WORDS_PER_SCRIPT);
  const place = way === "in" ? { in: device } : { out: device };
  await engine.load(scriptSpec({ name, file: resolve(file), function: name, hook, ...place }));
}
// Nothing else keeps this process, and the programs go with it.
const alive = setInterval(() => {}, 60_000);
process.once("SIGTERM", () => void end());
process.stdout.write("ready\n");

async function end(): Promise<void> {
  const told = (await engine.list()).map(({ spec, statistics: { packets, errors, counters } }) => ({
    name: spec.name,
    packets,
    errors,
    counters,
  }));
  process.stdout.write(`${JSON.stringify(told)}\n`);
  clearInterval(alive);
  await engine.close();
  await user.close();
  rules.close();
  process.exit(0);
}
