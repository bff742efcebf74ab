/**
 * A program that drops what comes in over IPv4, from a process that is killed in the middle or that lacks a
 * capability. With a path it pins the program there.
 * @module
 */
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { answer, assemble } from "../support/ebpf-assembly.ts";

const path = process.argv[2];
try {
  const program = new LinuxKernelPrograms().load(assemble("netfilter", answer(0)), new Map());
  const link = program.attach({ kind: "netfilter", family: "ipv4", hook: "input", priority: -5 });
  if (path !== undefined) link.pin(path);
  process.stdout.write("ready\n");
  setTimeout(() => process.exit(1), 60_000);
} catch (error) {
  process.stdout.write(`${String(error)}\n`);
}
