/**
 * Where scripts in the kernel meet Linux: eBPF, interfaces, and files that keep programs when packetd ends.
 * @module
 */
import { chownSync, closeSync, constants, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isPinFolder, PIN_FOLDER } from "#linux/bpf/pin-file.ts";
import { probeImage } from "#linux/bpf/probe.ts";
import type { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { networkNamespace } from "#linux/namespace.ts";
import { native } from "#linux/native.ts";
import { KernelPins } from "../script/kernel-pins.ts";
import type { KernelInterfaces } from "../script/kernel-places.ts";

/** ARPHRD_ETHER and ARPHRD_LOOPBACK (linux/if_arp.h): their frames begin with Ethernet. */
const ETHERNET_TYPES: readonly string[] = ["1", "772"];

/** Why this process cannot load programs; `undefined` when it can. */
export function kernelProblem(programs: LinuxKernelPrograms): string | undefined {
  try {
    programs.load(probeImage("netfilter"), new Map()).close();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The interfaces of this thread's network namespace. */
export const KERNEL_INTERFACES: KernelInterfaces = {
  index(name) {
    try {
      return native().interfaceIndex(name);
    } catch {
      return 0;
    }
  },
  isEthernet(name) {
    try {
      return ETHERNET_TYPES.includes(readFileSync(`/sys/class/net/${name}/type`, "utf8").trim());
    } catch {
      return undefined;
    }
  },
};

/**
 * A folder of the BPF file system for this network namespace, opened while this process may still look into it.
 * Programs of another namespace have other interfaces, and are another packetd's.
 */
export class PinFolder {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** `undefined` where nothing can be pinned. @param owner who uses it, when that is not this process's user */
  static open(owner: readonly [uid: number, gid: number] | undefined): PinFolder | undefined {
    if (!isPinFolder(PIN_FOLDER)) return undefined;
    const [number = "0"] = /\d+/.exec(networkNamespace()) ?? [];
    const path = join(PIN_FOLDER, "metanet", number);
    try {
      for (const folder of [path, join(path, "scripts"), join(path, "maps")]) {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        if (owner) chownSync(folder, ...owner);
      }
      return new PinFolder(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
    } catch {
      return undefined;
    }
  }

  /** By this path the folder is reached whatever the folders above it let through. */
  pins(programs: LinuxKernelPrograms): KernelPins {
    return new KernelPins(`/proc/self/fd/${this.#descriptor}`, programs);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
