/**
 * The C programs of the measurements, compiled into a folder of their own when a run begins.
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAMS = {
  "queue-plain": ["-lnetfilter_queue", "-lnfnetlink"],
  "queue-batched": [],
  "packet-ring": [],
  "udp-flood": [],
  "udp-ping": [],
} as const satisfies Record<string, readonly string[]>;

export type ProgramName = keyof typeof PROGRAMS;

export interface Programs {
  readonly folder: string;
  /** The path of a program; compiles it at the first call. */
  path(name: ProgramName): string;
  remove(): void;
}

export function makePrograms(): Programs {
  const folder = mkdtempSync(join(tmpdir(), "metanet-bench-"));
  const made = new Set<ProgramName>();
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.on("exit", remove);
  return {
    folder,
    path(name) {
      const program = join(folder, name);
      if (made.has(name)) return program;
      const source = join(import.meta.dirname, "..", "peers", `${name}.c`);
      execFileSync("cc", ["-O2", "-Wall", source, "-o", program, ...PROGRAMS[name]]);
      made.add(name);
      return program;
    },
    remove() {
      process.off("exit", remove);
      remove();
    },
  };
}

const LIBRARY = "/usr/include/libnetfilter_queue/libnetfilter_queue.h";

/** The first of the programs (and of what ours are compiled with) that this machine lacks; `false` when it has all. */
export function missingProblem(...names: readonly string[]): string | false {
  const folders = (process.env.PATH ?? "").split(":").concat("/usr/sbin", "/sbin");
  const lacks = (name: string): boolean => !folders.some((folder) => existsSync(join(folder, name)));
  const missing = [...names, "cc", "ip", "ss"].find(lacks) ?? (existsSync(LIBRARY) ? undefined : LIBRARY);
  return missing === undefined ? false : `needs ${missing}`;
}
