import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { FlowEngine } from "metanet/flow";
import { CAPTURES, capturesSkipped } from "../../test/support/captures.ts";
import { abacus } from "./abacus.ts";
import { analyseDelays, delayRows } from "./delay-analyser.ts";
import { plotDelays } from "./delay-plot.ts";
import { httpLog } from "./http-log.ts";
import { changes, midstat } from "./midstat.ts";
import { nat } from "./nat.ts";
import { statefulFirewall } from "./stateful-firewall.ts";
import { FlowWorld, type Printing } from "./test-world.ts";

/** Larger captures are left to the engine's own tests. */
const CAPTURE_BYTES_MAX = 100_000;

/** Rows and plots of every connection. */
function delays(engine: FlowEngine): void {
  analyseDelays(engine, (one) => {
    const seconds = (one.to - one.from) / 1000;
    for (const { idle, bandwidth, window } of Object.values(delayRows(one))) {
      assert.ok(idle >= -1e-6 && idle <= seconds + 1e-6, `idle ${idle} of ${seconds}`);
      assert.ok(bandwidth >= 0 && window >= 0);
    }
    assert.doesNotMatch(plotDelays(one), /NaN|Infinity|undefined/);
  });
}

/** Those that only watch share an engine. */
function watch(engine: FlowEngine, options: Printing): void {
  for (const program of [abacus, changes, delays, httpLog, midstat]) program(engine, options);
}

const PROGRAMS: readonly ((engine: FlowEngine, options: Printing) => unknown)[] = [
  watch,
  nat,
  statefulFirewall,
];

describe("the examples, with captures", { skip: capturesSkipped }, () => {
  const names = ["ndpi", "gopacket", "tcpflow", "tcpdump"].flatMap((folder) =>
    readdirSync(join(CAPTURES, folder))
      .filter((name) => /\.pcap(ng)?$/.test(name))
      .map((name) => join(folder, name))
      .filter((name) => statSync(join(CAPTURES, name)).size <= CAPTURE_BYTES_MAX),
  );
  for (const program of PROGRAMS) {
    test(`${program.name}() fails on none`, async () => {
      assert.ok(names.length > 0);
      for (const capture of names) {
        const world = new FlowWorld(program);
        try {
          await world.replay(capture);
        } catch (error) {
          // Some are damaged on purpose.
          if (!(error instanceof Error) || error.name !== "MalformedCaptureError") {
            throw new Error(`${capture}: ${error}`, { cause: error });
          }
        }
        world.close();
      }
    });
  }
});
