/**
 * Programs in the real kernel: the suite of every answer to KernelPrograms, and what only Linux has.
 * @module
 */
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { kernelProgramsCases } from "./kernel-programs-cases.ts";
import { rootProblem } from "./own-namespace.ts";

kernelProgramsCases("LinuxKernelPrograms", () => new LinuxKernelPrograms(), rootProblem());
