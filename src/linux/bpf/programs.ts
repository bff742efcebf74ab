/**
 * {@link KernelPrograms} on Linux, through bpf(2). Netfilter links and interface names belong to the network
 * namespace of the thread that asks.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { KernelMap, KernelMapSpec, KernelPrograms, ProgramImage } from "#io/kernel-programs.ts";
import { createKernelMap, type LinuxKernelMap, takeOverMap } from "./kernel-map.ts";
import { type LinuxKernelLink, takeOverLink } from "./link.ts";
import { loadProgram } from "./load.ts";
import { pinDescriptor } from "./pin-file.ts";
import { LinuxKernelProgram } from "./program.ts";
import { relocate } from "./relocate.ts";
import { LinuxKernelRing } from "./ring-reader.ts";

export class LinuxKernelPrograms implements KernelPrograms {
  createMap(spec: KernelMapSpec): LinuxKernelMap {
    return createKernelMap(spec);
  }

  load(image: ProgramImage, maps: Map<string, KernelMap>): LinuxKernelProgram {
    const made: KernelMap[] = [];
    try {
      for (const spec of image.maps) {
        const map = maps.get(spec.name);
        if (map) {
          requireSame(image, spec, map.spec);
          continue;
        }
        const fresh = createKernelMap(spec);
        made.push(fresh);
        maps.set(spec.name, fresh);
      }
      return new LinuxKernelProgram(image, loadProgram(image, relocate(image, maps)));
    } catch (error) {
      for (const map of made) {
        maps.delete(map.spec.name);
        map.close();
      }
      throw error;
    }
  }

  listen(ring: KernelMap, event: (bytes: Uint8Array) => void): LinuxKernelRing {
    if (ring.spec.kind !== "ring")
      throw new ConfigurationError(`Cannot listen to map ${ring.spec.name}: it is no ring`);
    return new LinuxKernelRing(ring, event);
  }

  pinned(path: string): LinuxKernelLink | undefined {
    return takeOverLink(path);
  }

  pinMap(map: KernelMap, path: string): void {
    pinDescriptor(map.descriptor, path);
  }

  pinnedMap(path: string, spec: KernelMapSpec): LinuxKernelMap | undefined {
    return takeOverMap(path, spec);
  }
}

function requireSame({ name }: ProgramImage, wanted: KernelMapSpec, found: KernelMapSpec): void {
  const describe = ({ kind, keyBytes, valueBytes, countMax }: KernelMapSpec): string =>
    `${kind} of ${countMax} times ${keyBytes} + ${valueBytes} bytes`;
  if (describe(wanted) === describe(found)) return;
  const seen = `its map ${wanted.name} is ${describe(wanted)}, and the one that is there ${describe(found)}`;
  throw new ConfigurationError(`Cannot load ${name}: ${seen}`);
}
