import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { IpAddress } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { milliseconds, seconds } from "#base/time.ts";
import { started } from "../../../test/portal/world.ts";
import { FirewallDoor, PERMIT_GATHER, type PermitOutcome } from "./firewall-door.ts";

describe("FirewallDoor", () => {
  test("permit() asks at once when it is alone, and together for a crowd", async () => {
    const { bus, clock, firewall } = await started();
    await clock.advance(seconds(1));
    const door = new FirewallDoor(bus, seconds(5));
    const outcomes: PermitOutcome[] = [];
    for (let index = 0; index < 100; index++) {
      const client = mac(Uint8Array.of(2, 0, 0, 3, 0, index));
      const asked = door.permit(client, IpAddress.fromUint32(0x0a4d0200 + index), undefined);
      void asked.then((outcome) => outcomes.push(outcome));
    }
    await clock.advance(milliseconds(0));
    assert.equal(firewall.asked.length, 1);
    await clock.advance(milliseconds(PERMIT_GATHER - 1));
    assert.equal(firewall.asked.length, 1);
    await clock.advance(milliseconds(1));
    assert.equal(firewall.asked.length, 100);
    assert.deepEqual(outcomes, Array(100).fill("open"));
  });

  test("permit() tells a refusal by the policy from a firewall that is away, and counts both", async () => {
    const { bus, clock, firewall } = await started();
    const door = new FirewallDoor(bus, seconds(5));
    const ask = async (address: number): Promise<PermitOutcome> => {
      await clock.advance(seconds(1));
      return door.permit(mac("02:00:00:00:00:0a"), IpAddress.fromUint32(address), undefined);
    };
    assert.equal(await ask(0x08080808), "refused");
    firewall.isAway = true;
    assert.equal(await ask(0x0a4d0202), "failed");
    assert.deepEqual([door.refusedCount, door.failureCount], [1, 1]);
  });
});
