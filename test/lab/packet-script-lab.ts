/**
 * The network and the engine of a suite of packet scripts: there before its first test, gone after its last, and nothing
 * stays loaded between two.
 * @module
 */
import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";
import { PacketQueueNet } from "./packet-queue-net.ts";
import { newEngine, type TestEngine } from "./packet-script-engine.ts";

export class ScriptLab {
  #net: PacketQueueNet | undefined;
  #engine: TestEngine | undefined;

  /** In the body of a suite, whose tests it is for. */
  constructor() {
    before(() => {
      this.#net = new PacketQueueNet();
      this.#engine = newEngine();
    });
    after(async () => {
      await this.#engine?.close();
      this.#net?.close();
    });
    afterEach(async () => {
      for (const { spec } of await this.engine.list()) await this.engine.unload(spec.name);
    });
  }

  get net(): PacketQueueNet {
    return this.#net ?? assert.fail("there is no network before the first test");
  }

  get engine(): TestEngine {
    return this.#engine ?? assert.fail("there is no engine before the first test");
  }
}
