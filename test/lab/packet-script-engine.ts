/**
 * A user-space engine on this machine's own rules and maps, for tests.
 * @module
 */
import { LinuxClock } from "#linux/clock.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import { LinuxRandom } from "#linux/random.ts";
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
