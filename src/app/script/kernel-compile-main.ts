/**
 * The thread in which scripts are compiled for the kernel.
 * @module
 */
import { parentPort } from "node:worker_threads";
import { dropInThread } from "#linux/privileges.ts";
import { compileForKernel } from "./kernel-compile.ts";
import type { CompileAnswer, CompileOrder } from "./kernel-compiler.ts";

function answer({ id, file, functionName, targets }: CompileOrder): CompileAnswer {
  try {
    return { id, results: compileForKernel(file, functionName, targets) };
  } catch (error) {
    return { id, failure: error instanceof Error ? error.message : String(error) };
  }
}

dropInThread(["bpf", "perfmon", "net-admin", "net-raw"]);
parentPort?.on("message", (order: CompileOrder) => parentPort?.postMessage(answer(order)));
