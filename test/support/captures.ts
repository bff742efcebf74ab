/**
 * Captures of real traffic from public test suites, which lie beside a developer's checkout and are no part of it:
 * tests of theirs are skipped by name where they are absent. METANET_CAPTURES names another folder.
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";

/** The folder of captures, a folder for each origin below it. */
export const CAPTURES: string =
  process.env.METANET_CAPTURES ?? join(import.meta.dirname, "..", "..", "..", "shared", "captures");

/** Why tests of captures are skipped; `false` when they are not. */
export const capturesSkipped: string | false = existsSync(CAPTURES)
  ? false
  : `no folder of captures; METANET_CAPTURES names one`;
