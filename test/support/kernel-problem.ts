/**
 * Whether this machine's kernel takes programs of ours.
 * @module
 */
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";

/** Why programs cannot be loaded here; `false` when they can. For the `skip` of a test. */
export function kernelProblem(): string | false {
  try {
    const spec = { name: "probe", kind: "array", keyBytes: 4, valueBytes: 8, countMax: 1 } as const;
    new LinuxKernelPrograms().createMap(spec).close();
    return false;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
