/**
 * Events of programs, which are bytes in a ring, as messages for the bus.
 * @module
 */
import type { Value } from "#base/value.ts";
import type { EmittedEvent, EventField } from "#script/compiler/compiled.ts";

export interface KernelEvent {
  readonly address: string;
  readonly fields: Readonly<Record<string, Value>>;
}

/** `undefined` for bytes that are none of these events. @param bytes good until this returns */
export function decodeKernelEvent(
  bytes: Uint8Array,
  events: readonly EmittedEvent[],
): KernelEvent | undefined {
  if (bytes.length < 4) return undefined;
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const number = data.getUint32(0, true);
  const event = events.find((one) => one.number === number);
  if (event === undefined || bytes.length < event.bytes) return undefined;
  const fields = event.fields.map((field): [string, Value] => [field.name, fieldValue(field, data, bytes)]);
  return { address: event.address, fields: Object.fromEntries(fields) };
}

function fieldValue(field: EventField, data: DataView, bytes: Uint8Array): Value {
  switch (field.kind) {
    case "integer":
      return Number(data.getBigInt64(field.at, true));
    case "bigint": {
      const high = field.isUnsigned
        ? data.getBigUint64(field.at + 8, true)
        : data.getBigInt64(field.at + 8, true);
      return (high << 64n) | data.getBigUint64(field.at, true);
    }
    case "boolean":
      return data.getUint8(field.at) !== 0;
    case "bytes":
      return bytes.slice(field.at, field.at + Math.min(field.length, data.getUint32(field.lengthAt, true)));
    case "constant":
      return field.value;
  }
}
