/**
 * Files of the BPF file system by which programs and their maps outlive this process: a folder for each script with its
 * links, one with the maps that scripts share, all below a folder of the network namespace.
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { KernelLink, KernelMap, KernelMapSpec } from "#io/kernel-programs.ts";

/** What is asked of who knows the BPF file system. */
export interface PinFiles {
  pinned(path: string): KernelLink | undefined;
  pinMap(map: KernelMap, path: string): void;
  /** `undefined` when there is none, or another than this. */
  pinnedMap(path: string, spec: KernelMapSpec): KernelMap | undefined;
}

/** What stands behind a link's own name; `--` is in none of these, and stands for what belongs to it. */
const STATISTICS = "--statistics-";
/** What netfilter's links have beside them. */
const ARRAY = "-program";

export class KernelPins {
  readonly #folder: string;
  readonly #files: PinFiles;

  /** @param folder within a BPF file system; it needs not be there yet */
  constructor(folder: string, files: PinFiles) {
    this.#folder = folder;
    this.#files = files;
  }

  /** The link's file. @param place of the script: `tcx-ingress-eth0` */
  linkPath(script: string, place: string): string {
    return join(this.#scripts(), script, place);
  }

  takeLink(script: string, place: string): KernelLink | undefined {
    return this.#files.pinned(this.linkPath(script, place));
  }

  /** The numbers of one program; others than these have another file. */
  statisticsPath(script: string, place: string, counters: readonly string[]): string {
    const names = createHash("sha256").update(counters.join("\n")).digest("hex").slice(0, 16);
    return join(this.#scripts(), script, `${place}${STATISTICS}${names}`);
  }

  takeStatistics(path: string, spec: KernelMapSpec): KernelMap | undefined {
    return this.#files.pinnedMap(path, spec);
  }

  keepStatistics(path: string, map: KernelMap): void {
    this.#files.pinMap(map, path);
  }

  mapPath(name: string): string {
    return join(this.#folder, "maps", fileName(name));
  }

  takeMap(name: string, spec: KernelMapSpec): KernelMap | undefined {
    return this.#files.pinnedMap(this.mapPath(name), spec);
  }

  keepMap(name: string, map: KernelMap): string {
    const path = this.mapPath(name);
    rmSync(path, { force: true });
    this.#files.pinMap(map, path);
    return path;
  }

  forgetMap(name: string): void {
    rmSync(this.mapPath(name), { force: true });
  }

  /** Removes files of a script but these; whether there were any. A link without its file goes with its descriptor. */
  clear(script: string, kept: readonly string[] = []): boolean {
    const folder = join(this.#scripts(), script);
    const isKept = (path: string): boolean =>
      kept.some((one) => path === one || path === `${one}${ARRAY}` || path.startsWith(`${one}--`));
    let count = 0;
    for (const file of filesOf(folder)) {
      if (isKept(join(folder, file))) continue;
      this.#take(folder, file);
      count++;
    }
    if (kept.length === 0) rmSync(folder, { recursive: true, force: true });
    return count > 0;
  }

  /** Scripts that have files. */
  scripts(): string[] {
    return filesOf(this.#scripts());
  }

  /** Maps that have files, by the names of these. */
  clearMaps(): void {
    const folder = join(this.#folder, "maps");
    for (const file of filesOf(folder)) rmSync(join(folder, file), { force: true });
  }

  /** Detaches what a file stands for, where that is a link. */
  #take(folder: string, file: string): void {
    const path = join(folder, file);
    if (!file.includes("--") && !/^netfilter-.*-program$/.test(file)) this.#files.pinned(path)?.detach();
    rmSync(path, { force: true });
  }

  #scripts(): string {
    return join(this.#folder, "scripts");
  }
}

/** The BPF file system refuses dots in names. */
function fileName(name: string): string {
  return name.replaceAll(".", "%");
}

function filesOf(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
