/**
 * Which methods maps have in the kernel.
 * @module
 */
import type TypeScript from "typescript";
import type { Front } from "../front.ts";

const METHODS = ["get", "has", "set", "add", "compareAndSet", "touch", "delete"] as const;

export type MapMethod = (typeof METHODS)[number];

/** The method of this name, or its refusal. */
export function mapMethod(front: Front, node: TypeScript.Node, name: string): MapMethod {
  const known = METHODS.find((one) => one === name);
  return known ?? refuseMapMethod(front, node, `${name} of a map`);
}

/** Refuses what maps do in user space only. */
export function refuseMapMethod(front: Front, node: TypeScript.Node, what: string): never {
  return front.refuse(node, {
    code: "kernel-map",
    why: `${what} is there in user space only`,
    instead: `use what the kernel has: ${METHODS.join(", ")}`,
  });
}
