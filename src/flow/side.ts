/**
 * The two ends of a flow and the two directions between them. What the client sends has direction 0, and so has
 * everything kept about the client; the server is 1. `1 - direction` is the other one.
 * @module
 */

/** Who opened the flow is the client; of a flow that was met in the middle, who is taken for it. */
export type Side = "client" | "server";

/** 0 for what the client sends, 1 for what the server sends. */
export type Direction = 0 | 1;

export const SIDES: readonly [client: "client", server: "server"] = ["client", "server"];
