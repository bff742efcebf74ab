/**
 * `context.map(name, options)`: which map it is, known when the script is compiled.
 * @module
 */
import type TypeScript from "typescript";
import { MetanetError } from "#base/errors.ts";
import { checkMapName } from "../../../map-directory.ts";
import { type MapOptions, type MapShape, shapeOf } from "../../../shared-map-layout.ts";
import { argumentNode, constantText, constantValue } from "../expressions/arguments.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";

/** The map that the arguments name. */
export function openMap(front: Front, node: TypeScript.Node, parameters: readonly Lowered[]): Lowered {
  const name = constantText(front, argumentNode(front, node, 0), parameters[0], "the name of a map");
  checkName(front, argumentNode(front, node, 0), name);
  const place = argumentNode(front, node, 1);
  const known = front.report.maps.get(name);
  const options = parameters[1];
  if (options === undefined || options.kind === "undefined") {
    if (known !== undefined) return { kind: "map", map: known };
  }
  const given =
    options === undefined || options.kind === "undefined"
      ? {}
      : (constantValue(front, place, options, "what a map is like") as MapOptions);
  const shape = shapeIn(front, place, name, given);
  if (known !== undefined) {
    if (!isSame(known.shape, shape)) {
      return front.refuse(place, {
        code: "kernel-map",
        why: `map ${JSON.stringify(name)} has other options elsewhere in this function`,
        instead: "name the options once, as a constant of the module",
      });
    }
    return { kind: "map", map: known };
  }
  const map = { name, shape };
  front.report.maps.set(name, map);
  return { kind: "map", map };
}

function checkName(front: Front, node: TypeScript.Node, name: string): void {
  try {
    checkMapName(name);
  } catch (error) {
    if (!(error instanceof MetanetError)) throw error;
    front.refuse(node, {
      code: "kernel-map",
      why: `no map has this name: ${error.message.replace(/^Cannot make map '[^']*': /, "")}`,
      instead: "give it another name",
    });
  }
}

function shapeIn(front: Front, node: TypeScript.Node, name: string, options: MapOptions): MapShape {
  let shape: MapShape;
  try {
    shape = shapeOf(name, options);
  } catch (error) {
    if (!(error instanceof MetanetError)) throw error;
    return front.refuse(node, {
      code: "kernel-map",
      why: `no map is like this: ${error.message.replace(/^Cannot make map '[^']*': /, "")}`,
      instead: "correct its options",
    });
  }
  if (shape.key === "text") {
    return front.refuse(node, {
      code: "kernel-map",
      why: "the kernel has no texts, and the keys of this map are texts",
      instead: 'use key: "number" or key: "bigint", made of the fields: ip.source * 65_536 + udp.sourcePort',
    });
  }
  if (shape.timeToLive !== undefined && !Number.isInteger(shape.timeToLive)) {
    return front.refuse(node, {
      code: "kernel-map",
      why: `the kernel counts whole milliseconds, and timeToLive is ${shape.timeToLive}`,
      instead: "give whole milliseconds",
    });
  }
  return shape;
}

function isSame(one: MapShape, other: MapShape): boolean {
  return (Object.keys(one) as (keyof MapShape)[]).every((field) => one[field] === other[field]);
}
