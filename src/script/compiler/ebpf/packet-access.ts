/**
 * How a program reaches its packet, which differs from one attach point to the other.
 * @module
 */
import type {
  Block,
  FactInstruction,
  OpenTerminator,
  PatchChecksumInstruction,
  ResizeInstruction,
  SetMarkInstruction,
  SumInstruction,
} from "../ir/ir.ts";
import { DirectPacket } from "./direct-packet.ts";
import { NetfilterPacket } from "./netfilter-packet.ts";
import type { Selection } from "./select.ts";

export type PacketInstruction =
  | FactInstruction
  | SetMarkInstruction
  | PatchChecksumInstruction
  | ResizeInstruction
  | SumInstruction;

export interface PacketAccess {
  /** What stands in front of all else: r1 is the context. */
  begin(): void;
  /** A block of the intermediate form begins. */
  enter(block: Block): void;
  open(terminator: OpenTerminator): void;
  select(instruction: PacketInstruction): void;
}

export function packetAccessFor(selection: Selection): PacketAccess {
  return selection.target.attach === "netfilter"
    ? new NetfilterPacket(selection)
    : new DirectPacket(selection);
}
