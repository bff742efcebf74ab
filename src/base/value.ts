/**
 * What a tuple of a message can hold. The type of a tuple is the type of its value; on the wire it is CBOR's
 * major type, refined by a registered tag.
 * @module
 */
import type { IpAddress, IpPrefix } from "./ip-address.ts";
import type { MacAddress } from "./mac-address.ts";
import type { Timestamp } from "./time.ts";

export type Scalar =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | MacAddress
  | IpAddress
  | IpPrefix
  | Timestamp;

export type Value = Scalar | readonly Scalar[];

/** Tags and values in turn, `[tag, value, tag, value, …]`: the order and repeated tags are kept. */
export type Tuples = readonly (string | Value)[];
