/**
 * What a protocol's declaration must agree on, besides its fields.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { Fields } from "./field.ts";
import type { ProtocolSpec } from "./protocol.ts";

const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** @throws ConfigurationError when the declaration contradicts itself. */
export function checkDeclaration(spec: ProtocolSpec<Fields, object>, minimumBytes: number): void {
  const { name, fields, headerBytes, checksum, lengthIn, announcedIn, headerUnitBytes } = spec;
  const problem = (text: string): ConfigurationError =>
    new ConfigurationError(`Cannot define protocol ${name}: ${text}`);
  if (!NAME.test(name)) throw problem(`'${name}' is no name; wanted letters and digits`);
  if (typeof headerBytes === "number" && !(Number.isInteger(headerBytes) && headerBytes >= minimumBytes))
    throw problem(`its fields need ${minimumBytes} bytes, headerBytes is ${headerBytes}`);
  if (checksum !== undefined) {
    const isInside = checksum.at >= 0 && checksum.at + 2 <= minimumBytes;
    // One that is not in every header has its place behind the fields that always are.
    if (checksum.at % 2 !== 0 || (!isInside && checksum.presentIf === undefined))
      throw problem(
        `its checksum is at byte ${checksum.at}, the header has ${minimumBytes}; wanted an even place`,
      );
  }
  if (lengthIn !== undefined) {
    const field = fields[lengthIn];
    const { bits } = field ?? {};
    if (typeof bits !== "number" || bits > 32 || typeof field?.at === "function")
      throw problem(`lengthIn names ${lengthIn}, which is no field of known place and at most 32 bits`);
  }
  if (announcedIn !== undefined && !(announcedIn in fields))
    throw problem(`announcedIn names ${announcedIn}, which is no field`);
  if (headerUnitBytes !== undefined && !(Number.isInteger(headerUnitBytes) && headerUnitBytes > 0))
    throw problem(`headerUnitBytes is ${headerUnitBytes}, wanted 1 or more`);
}
