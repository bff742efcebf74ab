import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { IpAddress, ip } from "#base/ip-address.ts";
import { type MacAddress, mac } from "#base/mac-address.ts";
import type { Instant } from "#base/time.ts";
import { ClientFinder, FINDING_COUNT_MAX, FINDING_LIFETIME } from "./client-finder.ts";

const MAC = mac("02:00:00:00:00:01");

function counted(answer: (address: IpAddress) => Promise<MacAddress | undefined>): {
  finder: ClientFinder;
  asked: () => number;
} {
  let count = 0;
  const find = (address: IpAddress): Promise<MacAddress | undefined> => {
    count++;
    return answer(address);
  };
  const addressesOf = (): Promise<never> => Promise.reject(new Error("gone"));
  return { finder: new ClientFinder({ find, addressesOf, close: () => undefined }), asked: () => count };
}

describe("ClientFinder", () => {
  test("find() asks once for a burst, and again when the answer has aged", async () => {
    const { finder, asked } = counted(async () => MAC);
    const address = ip("10.0.0.1");
    for (const now of [0, 1, FINDING_LIFETIME - 1]) await finder.find(address, now as Instant);
    assert.equal(asked(), 1);
    await finder.find(address, FINDING_LIFETIME as number as Instant);
    assert.equal(asked(), 2);
  });

  test("findAfresh() always asks", async () => {
    const { finder, asked } = counted(async () => MAC);
    await finder.find(ip("10.0.0.1"), 0 as Instant);
    await finder.findAfresh(ip("10.0.0.1"), 0 as Instant);
    assert.equal(asked(), 2);
  });

  test("find() takes a table that cannot be read for one without the client, and counts it", async () => {
    const { finder } = counted(() => Promise.reject(new Error("gone")));
    assert.equal(await finder.find(ip("10.0.0.1"), 0 as Instant), undefined);
    assert.equal(finder.unknownCount, 1);
  });

  test("addressesOf() takes a table that cannot be read for an empty one", async () => {
    const { finder } = counted(async () => MAC);
    assert.deepEqual(await finder.addressesOf([MAC]), []);
  });

  test(`find() forgets everything rather than remember more than ${FINDING_COUNT_MAX} answers`, async () => {
    const { finder, asked } = counted(async () => MAC);
    for (let index = 0; index <= FINDING_COUNT_MAX; index++) {
      await finder.find(IpAddress.fromUint32(0x0a000000 + index), 0 as Instant);
    }
    await finder.find(IpAddress.fromUint32(0x0a000000), 0 as Instant);
    assert.equal(asked(), FINDING_COUNT_MAX + 2);
  });
});
