import assert from "node:assert/strict";
import { it } from "node:test";
import { runDifferential } from "./differential.ts";
import { type Engine, type TestModule, userEngine } from "./engine.ts";
import { evaluateModule } from "./module.ts";

/** The user-space engine with one operation of JavaScript done wrong. */
function broken(from: string, to: string): Engine {
  const wrong = new WeakMap<TestModule, TestModule["functions"]>();
  return {
    ...userEngine,
    start: (module, name) => {
      const functions = wrong.get(module) ?? evaluateModule(module.text.replaceAll(from, to));
      wrong.set(module, functions);
      return userEngine.start({ ...module, functions }, name);
    },
  };
}

for (const [from, to] of [
  ["Math.floor(", "Math.trunc("],
  [" >>> ", " >> "],
  [" <= ", " < "],
  [".compareAndSet(", ".set("],
] as const) {
  it(`runDifferential() finds out that "${from}" is done as "${to}", and makes the script small`, () => {
    const { failures } = runDifferential({ engines: [broken(from, to)], seed: 5, scriptCount: 1000 });
    const [failure] = failures;
    assert.equal(failure?.finding.kind, "differs");
    const lines = failure?.text.split("\n") ?? [];
    assert.ok(lines.length < 30, failure?.text);
    assert.ok(failure?.text.includes(from.trim()), failure?.text);
  });
}
