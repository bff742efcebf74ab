/**
 * The number that tells flows apart which have the same addresses and ports in different VLANs and tunnels.
 *
 * One VLAN tag is its id; two are `outer * 4096 + inner`: exact, below 2^24. With more tags, or in a tunnel, the
 * number is a hash of 30 bits with 2^30 added: it never equals an exact one, and two chosen stacks of tunnels have the
 * same one with a probability of 2^-30. A priority tag (VLAN 0) counts for nothing.
 *
 * Only what both directions of a flow share goes in: a tunnel's kind, and the identifiers of VXLAN, Geneve, GRE (its
 * key), PPPoE and provider backbones. Endpoint identifiers of GTP-U, PPTP and L2TP, and MPLS labels, are each
 * receiver's own choice.
 * @module
 */
import type { Layers } from "./layers.ts";

/** Tunnels in tunnels that are opened; a frame with more is "too-deep". */
export const ENCAPSULATION_DEPTH_MAX = 8;

/** VLAN tags, and labels of MPLS, of one frame or tunnelled frame; more of them are "too-deep". */
export const TAG_COUNT_MAX = 8;

/** What a tunnel is made of; part of the hash. */
export const TunnelKind = {
  ipInIp: 1,
  gre: 2,
  vxlan: 3,
  geneve: 4,
  gtp: 5,
  teredo: 6,
  l2tp: 7,
  pppoe: 8,
  backbone: 9,
  linkInIp: 10,
} as const;

const HASHED = 0x40000000;

/** Adds a VLAN id (1 to 4095) to the packet's number; 0 adds nothing. */
export function addVlan(layers: Layers, id: number): void {
  const before = layers.encapsulation;
  if (before < 4096) layers.encapsulation = before * 4096 + id;
  else if (id !== 0) layers.encapsulation = mix(before, id);
}

/** Adds a tunnel of a {@link TunnelKind} with the number that both of its directions have, 0 for none. */
export function addTunnel(layers: Layers, kind: number, id: number): void {
  layers.encapsulation = mix(mix(layers.encapsulation, kind), id);
}

/** The finaliser of MurmurHash3, over both. */
function mix(before: number, value: number): number {
  let hash = Math.imul(before, 0x9e3779b1) ^ value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 2) | HASHED;
}
