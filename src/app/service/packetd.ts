/**
 * Where packet scripts meet Linux: netfilter's queues, nft, and isolates that are threads of this process.
 * @module
 */
import { accessSync, constants } from "node:fs";
import { dirname, join } from "node:path";
import { ConfigurationError } from "#base/errors.ts";
import { packetd } from "#contract/packetd.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { LinuxClock } from "#linux/clock.ts";
import { networkNamespace } from "#linux/namespace.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import { LinuxRandom } from "#linux/random.ts";
import { openSqliteStore } from "#linux/sqlite-store.ts";
import type { ScriptBus } from "#script/context.ts";
import { MapDirectory } from "#script/map-directory.ts";
import { PacketdService } from "#service/packetd/packetd-service.ts";
import { gatewayScripts } from "../config/service-options.ts";
import type { Node } from "../node.ts";
import { ChoosingScriptEngine } from "../script/choosing-engine.ts";
import { interfaceNames } from "../script/interface-names.ts";
import { ThreadKernelCompiler } from "../script/kernel-compiler.ts";
import { KernelScriptEngine } from "../script/kernel-engine.ts";
import { KernelMapStore } from "../script/kernel-maps.ts";
import { UserScriptEngine } from "../script/user-engine.ts";
import {
  type AtEnd,
  giveToUser,
  joinAsUser,
  logOf,
  ownerAfterDrop,
  type ServiceContext,
  stateFolder,
} from "./context.ts";
import { KERNEL_INTERFACES, kernelProblem, PinFolder } from "./kernel-scripts.ts";

/**
 * The kernel asks whoever gives a verdict or loads a rule for CAP_NET_ADMIN, each time, and whoever sends raw packets
 * for CAP_NET_RAW once; nft is a program of its own. Programs are loaded with CAP_BPF, and with CAP_PERFMON when they look
 * at what the kernel knows of a packet; threads that run scripts have neither of the two.
 */
const KEPT = { own: ["net-admin", "net-raw", "bpf", "perfmon"], programs: ["net-admin"] } as const;
/** The same, and the reading of scripts wherever they lie. */
const KEPT_READING = { ...KEPT, own: [...KEPT.own, "dac-read-search"] } as const;

/** The number under which this thread locks shared maps; isolates have others. */
const MAP_OWNER = 1;

/** What the portal reads when packet scripts count for it. */
const MAP_READING = ["/packetd/map/read"] as const;

/** How packetd is started where it is not a service of the gateway. */
export interface PacketdOptions {
  /** Keeps nothing over a restart, and knows of nothing that is kept. */
  readonly forgets?: boolean;
}

/** Starts packetd in this process; its bus, on which all its mailboxes are local. */
export async function startPacketd(
  context: ServiceContext,
  atEnd: AtEnd,
  { forgets = false }: PacketdOptions = {},
): Promise<Node> {
  const section = context.configuration.packetd;
  if (!section) throw new ConfigurationError("Cannot start packetd: the configuration has no section for it");
  const folder = forgets ? undefined : stateFolder(context);
  const pinFolder = forgets ? undefined : PinFolder.open(ownerAfterDrop(context));
  if (pinFolder) atEnd(() => pinFolder.close());
  const bus = await joinAsUser(context, [packetd], {
    kept: section["reads-all"] ? KEPT_READING : KEPT,
    forRootOnly: true,
    servicesMay: context.configuration.portald?.accounting === "packet-script" ? MAP_READING : [],
  });
  atEnd(() => bus.close());
  // The kernel's own question, access(2), knows nothing of capabilities.
  if (!section["reads-all"]) requireReadableInstallation(context);
  const store = openSqliteStore({ path: folder === undefined ? ":memory:" : join(folder, "scripts.sqlite") });
  atEnd(() => store.close());
  if (folder !== undefined) giveToUser(context, folder);
  const clock = new LinuxClock();
  const time = {
    get now() {
      return clock.now();
    },
  };
  const programs = new LinuxKernelPrograms();
  const pins = pinFolder?.pins(programs);
  const kernelMaps = new KernelMapStore({ programs, pins, time });
  const maps = new MapDirectory({ random: new LinuxRandom(), owner: MAP_OWNER, time, kernel: kernelMaps });
  const rules = new LinuxQueueRules();
  atEnd(() => rules.close());
  const log = logOf(context);
  const trouble = (script: string, text: string): void => log("warn", text, { script });
  const user = new UserScriptEngine({
    rules,
    maps,
    takenPlaces: (hook) => kernel.places(hook),
    scriptSaid: (script, text) => service.scriptSaid(script, text),
    trouble,
    bus: () => scriptBus(bus),
  });
  const kernel: KernelScriptEngine = new KernelScriptEngine({
    programs,
    compiler: new ThreadKernelCompiler(),
    interfaces: KERNEL_INTERFACES,
    maps: kernelMaps,
    user,
    handOverMarks: rules.marks.handOver ?? [],
    pins,
    takenPlaces: (hook) => user.places(hook),
    skipMarks: rules.marks.done | rules.marks.sent,
    changed: () => user.markDone(),
    isInMemory: (name) => maps.has(name),
    bus: () => scriptBus(bus),
    trouble,
  });
  const problem = kernelProblem(programs);
  if (problem !== undefined) log("warn", "scripts run in user space only", { reason: problem });
  const engine = new ChoosingScriptEngine({
    user,
    kernel: problem === undefined ? kernel : { unavailable: problem },
  });
  const service: PacketdService = new PacketdService({
    bus,
    engine,
    maps,
    store,
    scripts: gatewayScripts(context.configuration),
    machine: {
      namespace: networkNamespace(),
      interfaceNames,
      fileProblem: (file) =>
        section["reads-all"] ? undefined : fileProblem(file, context.configuration.user),
    },
    log,
  });
  atEnd(() => service.stop());
  await service.start();
  return bus;
}

/** Scripts speak as packetd does. */
function scriptBus(bus: Node): ScriptBus {
  return {
    post: (address, fields = {}) => bus.post(address, fields),
    call: async (address, fields = {}, options = {}) =>
      (await bus.call(address as string, fields, options)).toObject(),
  };
}

/** Isolates are threads that read our modules anew, as the user we have become. */
function requireReadableInstallation({ configuration: { user } }: ServiceContext): void {
  const problem = fileProblem(import.meta.filename, user);
  if (problem === undefined) return;
  throw new ConfigurationError(
    `Cannot start packetd: its isolates cannot read ${import.meta.filename}: ${problem}`,
  );
}

/** Why a file that is there cannot be read, with the fix; what is not there the loader tells better. */
function fileProblem(file: string, user: string): string | undefined {
  const folders: string[] = [];
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder))
    folders.unshift(folder);
  const elsewhere = "or keep it where everybody may read, such as /etc/metanet/scripts";
  for (const folder of folders) {
    if (codeOf(folder, constants.X_OK) === "EACCES")
      return `packetd runs as '${user}', who may not look into ${folder}; chmod o+x ${folder}, ${elsewhere}`;
  }
  if (codeOf(file, constants.R_OK) !== "EACCES") return undefined;
  return `packetd runs as '${user}', who may not read it; chmod o+r ${file}, ${elsewhere}`;
}

function codeOf(path: string, mode: number): string | undefined {
  try {
    accessSync(path, mode);
    return undefined;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : undefined;
  }
}
