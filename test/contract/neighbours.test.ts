import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { UnavailableError } from "#base/errors.ts";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import type { Neighbours } from "#io/neighbours.ts";
import { LinuxNeighbours } from "#linux/neighbours.ts";
import { SimNeighbours } from "#sim/neighbours.ts";
import { enterOwnNamespace, rootProblem } from "../lab/own-namespace.ts";

const NEIGHBOURS: [address: string, mac: string][] = [
  ["10.9.0.2", "02:00:00:00:00:09"],
  ["10.9.0.3", "02:00:00:00:00:0a"],
  ["2001:db8::2", "02:00:00:00:00:09"],
  ["fe80::2", "02:00:00:00:00:0b"],
];
const KNOWN = "02:00:00:00:00:09";
const LINK_LOCAL = "02:00:00:00:00:0b";
/** It has failed to answer for {@link SILENT}. */
const UNKNOWN = "02:00:00:00:00:0c";
/** The machine is asking for this one, and nobody answers. */
const SILENT = "10.9.0.66";

function simNeighbours(): Neighbours {
  const neighbours = new SimNeighbours();
  for (const [address, macText] of NEIGHBOURS) neighbours.add(ip(address), mac(macText));
  neighbours.add(ip(SILENT), mac("02:00:00:00:00:0c"));
  neighbours.remove(ip(SILENT));
  return neighbours;
}

/** The same client on another interface. */
const OTHER_LINK = [
  "link add lan1 type veth peer name far1",
  "link set lan1 up",
  `neighbour add 10.9.1.2 lladdr ${KNOWN} dev lan1`,
].map((line) => line.split(" "));

let prepared = false;

function linuxNeighbours(options: { interface?: string }): Neighbours {
  const run = (line: string): unknown => execFileSync("ip", line.split(" "));
  if (!prepared) {
    enterOwnNamespace();
    run("link add lan0 type veth peer name far0");
    for (const name of ["lan0", "far0"]) run(`link set ${name} up`);
    run("address add 10.9.0.1/24 dev lan0");
    run("address add 2001:db8::1/64 dev lan0 nodad");
    for (const [address, macText] of NEIGHBOURS) run(`neighbour add ${address} lladdr ${macText} dev lan0`);
    run(`neighbour add ${SILENT} lladdr 02:00:00:00:00:0c dev lan0 nud failed`);
    prepared = true;
  }
  return new LinuxNeighbours(options);
}

const WORLDS: [name: string, open: () => Neighbours, skip: string | false][] = [
  ["SimNeighbours", simNeighbours, false],
  ["LinuxNeighbours", () => linuxNeighbours({}), rootProblem()],
  ["LinuxNeighbours on one interface", () => linuxNeighbours({ interface: "lan0" }), rootProblem()],
  [
    "LinuxNeighbours without privileges",
    () => {
      const neighbours = linuxNeighbours({ interface: "lan0" });
      process.seteuid?.(65_534);
      return neighbours;
    },
    rootProblem(),
  ],
];

for (const [name, open, skip] of WORLDS) {
  describe(`${name} as Neighbours`, { skip }, () => {
    let neighbours: Neighbours;
    before(() => {
      neighbours = open();
    });
    after(() => {
      neighbours.close();
      if (process.getuid?.() === 0) process.seteuid?.(0);
    });

    for (const [address, macText] of NEIGHBOURS) {
      test(`find() gives the MAC address of ${address}`, async () => {
        assert.equal(String(await neighbours.find(ip(address))), macText);
      });
    }

    test("addressesOf() lists the addresses of each MAC address in the order asked", async () => {
      const lists = await neighbours.addressesOf([KNOWN, UNKNOWN, LINK_LOCAL, KNOWN].map(mac));
      assert.deepEqual(
        lists.map((list) => list.map(String).sort()),
        [["10.9.0.2", "2001:db8::2"], [], ["fe80::2"], ["10.9.0.2", "2001:db8::2"]],
      );
    });

    test("addressesOf() lists nobody for nobody", async () => {
      assert.deepEqual(await neighbours.addressesOf([]), []);
    });

    for (const address of [SILENT, "10.9.0.77", "2001:db8::77"]) {
      test(`find() gives undefined for ${address}, for which nobody answers`, async () => {
        assert.equal(await neighbours.find(ip(address)), undefined);
      });
    }
  });
}

test("LinuxNeighbours lists the addresses on its interface only", { skip: rootProblem() }, async () => {
  linuxNeighbours({}).close();
  for (const words of OTHER_LINK) execFileSync("ip", words);
  const [here, everywhere] = [linuxNeighbours({ interface: "lan0" }), linuxNeighbours({})];
  const count = async (of: Neighbours): Promise<number> =>
    (await of.addressesOf([mac(KNOWN)]))[0]?.length ?? 0;
  assert.deepEqual([await count(here), await count(everywhere)], [2, 3]);
  here.close();
  everywhere.close();
});

test("LinuxNeighbours finds a neighbour on an interface that was made again", {
  skip: rootProblem(),
}, async () => {
  linuxNeighbours({}).close();
  const make = (macText: string): void => {
    for (const line of [
      "link add again0 type veth peer name again1",
      "link set again0 up",
      `neighbour add 10.9.2.2 lladdr ${macText} dev again0`,
    ]) {
      execFileSync("ip", line.split(" "));
    }
  };
  make(KNOWN);
  const neighbours = linuxNeighbours({ interface: "again0" });
  assert.equal(String(await neighbours.find(ip("10.9.2.2"))), KNOWN);
  execFileSync("ip", ["link", "del", "again0"]);
  await assert.rejects(neighbours.find(ip("10.9.2.2")), UnavailableError);
  make(LINK_LOCAL);
  assert.equal(String(await neighbours.find(ip("10.9.2.2"))), LINK_LOCAL);
  neighbours.close();
});

test("LinuxNeighbours says when its interface is not there", { skip: rootProblem() }, async () => {
  const neighbours = linuxNeighbours({ interface: "nowhere0" });
  await assert.rejects(neighbours.find(ip("10.9.0.2")), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.match(
      error.message,
      /^Cannot look up a neighbour on nowhere0: ENODEV, there is no such interface/,
    );
    return true;
  });
  neighbours.close();
});
