/**
 * Thousands of random scripts: the user-space engine, the intermediate form, a simulated kernel and this machine's own
 * against plain TypeScript.
 * @module
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { runDifferential } from "./differential.ts";
import { enginesInTurns, REFUSED_PERCENT_MAX, whyNoKernel } from "./engines.ts";

const seed = Number(process.env.KERNEL_SCRIPTS_SEED ?? 20_261_122);
/** Counted and not timed: a machine that is slow takes longer, and does no less. */
const SCRIPT_COUNT = Number(process.env.KERNEL_SCRIPTS_COUNT ?? 2000);

it(`${SCRIPT_COUNT} random scripts do everywhere what they do as plain TypeScript (seed ${seed})`, (context) => {
  const reason = whyNoKernel();
  if (reason !== "") context.diagnostic(`not in this machine's kernel: ${reason}`);
  const { failures, tallies, constructs } = runDifferential({
    engines: enginesInTurns(),
    seed,
    scriptCount: SCRIPT_COUNT,
    isWrongRefusal: (code) => !(code in REFUSED_PERCENT_MAX),
  });
  assert.deepEqual(
    failures.map(({ text }) => text),
    [],
  );
  const told = [...constructs].map(([what, count]) => `${what} ${count}`);
  context.diagnostic(`scripts with ${told.join(", ")}`);
  assert.deepEqual(
    [...constructs].filter(([, count]) => count === 0).map(([what]) => what),
    [],
    "what was in no script",
  );
  const refused = new Map<string, number>();
  const places = new Map<string, number>();
  for (const [name, { scripts, frames, refusals }] of tallies) {
    context.diagnostic(
      `${name}: ${scripts} scripts, ${frames} frames; refused: ${[...refusals].join(" ") || "none"}`,
    );
    const [engine = ""] = name.split(",");
    places.set(engine, (places.get(engine) ?? 0) + scripts);
    for (const [code, count] of refusals)
      refused.set(`${engine}: ${code}`, (refused.get(`${engine}: ${code}`) ?? 0) + count);
  }
  for (const [what, count] of refused) {
    const percentMax = REFUSED_PERCENT_MAX[what.split(": ")[1] ?? ""] ?? 0;
    assert.ok(count * 100 <= SCRIPT_COUNT * percentMax, `${what}: ${count} of ${SCRIPT_COUNT} scripts`);
  }
  const engines = ["user-space engine", "simulated kernel"];
  for (const engine of reason === "" ? [...engines, "kernel"] : engines) {
    const count = places.get(engine) ?? 0;
    context.diagnostic(`${engine}: ${count} scripts`);
    assert.ok(count >= SCRIPT_COUNT * 0.95, `${engine} ran ${count} of ${SCRIPT_COUNT} scripts`);
  }
});
