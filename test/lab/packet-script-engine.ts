/**
 * A user-space engine on this machine's own rules and maps, for tests.
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { milliseconds } from "#base/time.ts";
import { LinuxClock } from "#linux/clock.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import { LinuxRandom } from "#linux/random.ts";
import type { ScriptSpec } from "#script/engine.ts";
import { MapDirectory } from "#script/map-directory.ts";
import { UserScriptEngine } from "../../src/app/script/user-engine.ts";

export class TestEngine extends UserScriptEngine {
  readonly rules: LinuxQueueRules;
  readonly maps: MapDirectory;
  readonly log: string[];

  constructor(rules: LinuxQueueRules, maps: MapDirectory, log: string[]) {
    super({
      rules,
      maps,
      scriptSaid: (script, text) => log.push(`${script}: ${text}`),
      trouble: (script, text) => log.push(`${script}! ${text}`),
    });
    this.rules = rules;
    this.maps = maps;
    this.log = log;
  }

  override async close(): Promise<void> {
    await super.close();
    this.rules.close();
  }
}

export function newEngine(): TestEngine {
  const clock = new LinuxClock();
  const time = {
    get now() {
      return clock.now();
    },
  };
  const maps = new MapDirectory({ random: new LinuxRandom(), owner: 1, time });
  return new TestEngine(new LinuxQueueRules(), maps, []);
}

/** A script of the tests on what is forwarded, under the name and in the isolate "case" unless told otherwise. */
export function testSpec(
  change: Partial<ScriptSpec> & { readonly file: string; readonly function: string },
): ScriptSpec {
  return {
    name: "case",
    hook: "forward",
    family: "inet",
    match: "udp dport 4000-9999",
    isolate: "case",
    onError: "drop",
    queueCount: 1,
    deadline: milliseconds(300),
    timeLimit: milliseconds(250),
    ...change,
  };
}

/**
 * Asks every few milliseconds until it is so; fails after twenty seconds, which only what is broken takes, and says
 * what there was.
 */
export async function eventually(
  isSo: () => boolean | Promise<boolean>,
  seen: () => string = () => "",
): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await isSo())) {
    assert.ok(performance.now() < end, `not in twenty seconds ${seen()}`);
    await pause(5);
  }
}
