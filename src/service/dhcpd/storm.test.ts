import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ip } from "#base/ip-address.ts";
import { milliseconds, minutes, seconds } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import { DhcpWorld, type Heard, type TestClient } from "../../../test/support/dhcp-world.ts";

const SERVER = { "server-identifier": ip("10.77.0.1") };
const ADDRESSES = ["10.77.0.100", "10.77.0.101", "10.77.0.102", "10.77.0.7", "192.0.2.1"] as const;

const ACTS = [
  "discover",
  "select",
  "reboot",
  "renew",
  "release",
  "decline",
  "inform",
  "garbage",
  "wait",
  "crash",
  "full disk",
] as const;

type Act = (typeof ACTS)[number];

interface Step {
  readonly act: Act;
  readonly who: number;
  readonly which: number;
  /** Nothing else happens before this step has been dealt with. */
  readonly settles: boolean;
  readonly noise: Uint8Array;
}

const steps = fc.array(
  fc.record<Step>({
    act: fc.constantFrom(...ACTS),
    who: fc.nat(4),
    which: fc.nat(ADDRESSES.length - 1),
    settles: fc.boolean(),
    noise: fc.uint8Array({ maxLength: 60 }),
  }),
  { maxLength: 50 },
);

/** Who was told that an address is theirs, and until when. */
class Promises {
  readonly #held = new Map<string, { who: number; until: number }>();

  /** A client hears a reply. */
  hears(who: number, heard: Heard, now: number): void {
    if (heard.type !== "ack" || heard.address === "0.0.0.0") return;
    const held = this.#held.get(heard.address);
    assert.ok(
      !held || held.who === who || held.until <= now,
      `${heard.address} is client ${held?.who}'s and ${who}'s`,
    );
    for (const [address, other] of this.#held) if (other.who === who) this.#held.delete(address);
    this.#held.set(heard.address, { who, until: now + Number(heard.option("lease-time")) });
  }

  /** A client gives an address up: from then on anybody may have it. */
  givesUp(who: number, address: string): void {
    if (this.#held.get(address)?.who === who) this.#held.delete(address);
  }

  /** Addresses that are promised to somebody. */
  open(now: number): string[] {
    return [...this.#held].filter(([, { until }]) => until > now).map(([address]) => address);
  }
}

async function play(
  world: DhcpWorld,
  clients: readonly TestClient[],
  promises: Promises,
  step: Step,
): Promise<void> {
  const client = clients[step.who]!;
  const address = ADDRESSES[step.which]!;
  const wanted: Record<string, Value> = { "requested-address": ip(address) };
  world.disk.fault = step.act === "full disk" ? "full" : undefined;
  switch (step.act) {
    case "discover":
    case "full disk":
      client.send("discover", { options: wanted });
      break;
    case "select":
      client.send("request", { options: { ...wanted, ...SERVER } });
      break;
    case "reboot":
      client.send("request", { options: wanted });
      break;
    case "renew":
      client.send("request", { ciaddr: address });
      break;
    case "release":
      promises.givesUp(step.who, address);
      client.send("release", { ciaddr: address });
      break;
    case "decline":
      promises.givesUp(step.who, address);
      client.send("decline", { options: wanted });
      break;
    case "inform":
      client.send("inform", { ciaddr: address, options: { "option-43": step.noise } });
      break;
    case "garbage":
      client.sendBytes(step.noise);
      break;
    case "wait":
      await world.clock.advance(step.which === 0 ? minutes(9) : seconds(20));
      break;
    case "crash":
      await world.crash();
      await world.start();
  }
  if (step.settles) await world.settle();
  else await world.clock.advance(milliseconds(step.which));
}

describe("a storm of packets, crashes and full disks", () => {
  it("never makes the server promise one address to two clients, or forget a promise", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (storm) => {
        const pool = [{ first: ip("10.77.0.100"), last: ip("10.77.0.102") }];
        const world = await new DhcpWorld({ subnet: { pool } }).start();
        const promises = new Promises();
        const clients = [0, 1, 2, 3, 4].map((number) => world.client(number));
        for (const [who, client] of clients.entries()) {
          client.hears = (heard) => promises.hears(who, heard, world.clock.now());
        }
        for (const step of storm) await play(world, clients, promises, step);
        world.disk.fault = undefined;
        await world.settle();
        await world.crash();
        await world.start();
        const leases = await world.bus.call("/dhcpd/leases", { state: "bound" });
        const bound = new Set(leases.get("address")?.map(String));
        for (const address of promises.open(world.clock.now()))
          assert.ok(bound.has(address), `${address} is forgotten`);
      }),
      { numRuns: 150 },
    );
  });
});
