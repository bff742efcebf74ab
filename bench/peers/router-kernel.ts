/**
 * Packet scripts in the kernel on the measurements' router, through the engine that packetd has; orders as
 * `router-orders.ts` has them. A script is compiled once, and loaded for each of its turns.
 * @module
 */
import type { LinuxKernelProgram } from "#linux/bpf/program.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { LinuxClock } from "#linux/clock.ts";
import { native } from "#linux/native.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import { LinuxRandom } from "#linux/random.ts";
import { MapDirectory } from "#script/map-directory.ts";
import { scriptSpec } from "#service/packetd/config.ts";
import { INSTRUCTION_BYTES } from "#wire/ebpf.ts";
import type { KernelCompiler } from "../../src/app/script/kernel-choice.ts";
import { ThreadKernelCompiler } from "../../src/app/script/kernel-compiler.ts";
import { KernelScriptEngine } from "../../src/app/script/kernel-engine.ts";
import { KernelMapStore } from "../../src/app/script/kernel-maps.ts";
import { UserScriptEngine } from "../../src/app/script/user-engine.ts";
import { obey, type PlacedCount, type PlacedInfo, type ScriptPut } from "./router-orders.ts";
import { runTimeOf } from "./run-time.ts";

/** Remembers what is loaded. */
class RememberingPrograms extends LinuxKernelPrograms {
  readonly loaded: LinuxKernelProgram[] = [];

  override load(...what: Parameters<LinuxKernelPrograms["load"]>): LinuxKernelProgram {
    const program = super.load(...what);
    this.loaded.push(program);
    return program;
  }
}

/** Compiles each function for each set of places once; the thread that does it ends when all is compiled. */
function compileOnce(): KernelCompiler {
  const compiler = new ThreadKernelCompiler();
  const known = new Map<string, ReturnType<KernelCompiler["compile"]>>();
  return {
    compile(file, name, targets) {
      const key = JSON.stringify([file, name, targets]);
      const result = known.get(key) ?? compiler.compile(file, name, targets);
      known.set(key, result);
      return result;
    },
    close: () => compiler.close(),
  };
}

const programs = new RememberingPrograms();
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
  compiler: compileOnce(),
  interfaces: { index: (name) => native().interfaceIndex(name), isEthernet: () => true },
  maps,
  user,
  handOverMarks: [],
});

await obey(put, take);
await engine.close();
await user.close();
rules.close();

async function put(script: ScriptPut): Promise<PlacedInfo> {
  const name = script.function;
  await engine.load(scriptSpec({ name, ...script }));
  const program = programs.loaded.at(-1);
  const instructions = (program?.image.instructions.length ?? 0) / INSTRUCTION_BYTES;
  return { name, instructions, machineBytes: program?.machineBytes ?? 0 };
}

async function take(): Promise<readonly PlacedCount[]> {
  const all = await engine.list();
  const times = programs.loaded.splice(0).map(runTimeOf);
  for (const { spec } of all) await engine.unload(spec.name);
  return all.map(({ spec, statistics: { packets, errors } }, index) => {
    // At netfilter's hooks a script has two programs, whose times count as those of what jumps to them.
    const time = times.length === all.length ? times[index] : undefined;
    return { name: spec.name, packets, errors, ...(time ?? { nanoseconds: 0, runs: 0 }) };
  });
}
