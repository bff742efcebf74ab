/**
 * Processes in memory for tests of links: each has a bus, links and a simulated transport, and time is moved by hand.
 * @module
 */
import assert from "node:assert/strict";
import { SeededRandom } from "#base/seeded-random.ts";
import { type Duration, milliseconds } from "#base/time.ts";
import type { PeerCredentials } from "#io/stream.ts";
import { joinBus } from "#link/join.ts";
import type { Links } from "#link/links.ts";
import type { RightsRule } from "#link/rights.ts";
import { Bus } from "#mailbox/bus.ts";
import { SimClock } from "#sim/clock.ts";
import { SimStreamNetwork, type SimStreamTransport } from "#sim/stream-network.ts";

export const RUN_DIRECTORY = "/run/metanet";

export interface SimProcess {
  readonly bus: Bus;
  readonly links: Links;
  readonly transport: SimStreamTransport;
  /** As kill -9. */
  kill(): void;
}

export class SimWorld {
  readonly clock: SimClock = new SimClock();
  readonly network: SimStreamNetwork = new SimStreamNetwork({ clock: this.clock, delay: milliseconds(1) });
  #seed = 0;

  async start(
    name: string,
    { uid = 1000, rules = [] }: { uid?: number; rules?: readonly RightsRule[] } = {},
  ): Promise<SimProcess> {
    const seed = ++this.#seed;
    const credentials: PeerCredentials = { uid, gid: uid, pid: seed };
    const transport = this.network.transport(credentials);
    const bus = new Bus({ name, clock: this.clock });
    const links = await joinBus(bus, {
      runDirectory: RUN_DIRECTORY,
      transport,
      watcher: this.network,
      random: new SeededRandom(seed),
      rights: { uid, rules },
    });
    return { bus, links, transport, kill: () => transport.kill() };
  }

  /** Moves time until a promise has settled, and gives what it settled to; not beyond `limit`. */
  async settled<T>(promise: Promise<T>, limit: Duration = milliseconds(60_000)): Promise<T> {
    let over = false;
    const end = (): void => {
      over = true;
    };
    promise.then(end, end);
    for (let at = 0; at < limit && !over; at++) await this.clock.advance(milliseconds(1));
    assert.ok(over, `the promise has not settled within ${limit} ms of simulated time`);
    return promise;
  }

  /** Lets some time pass. */
  pass(duration: Duration = milliseconds(20)): Promise<void> {
    return this.clock.advance(duration);
  }
}
