import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { hours, minutes } from "#base/time.ts";
import { dhcpdConfig } from "#service/dhcpd/config.ts";
import { BadConfigurationError, formatProblem } from "./problem.ts";
import { CONFIGURATION_BYTES_MAX, parseConfiguration, readConfiguration } from "./read.ts";
import { dhcpdOptions, firewallOptions, gatewayScripts } from "./service-options.ts";

const FIREWALL = "firewall: { inside: lan0, outside: wan0 }";
const DHCPD = `dhcpd:
  interface: lan0
  server: 10.77.0.1
  subnet: 10.77.0.0/24
  pool: [10.77.0.100, 10.77.0.199]`;

function writeTemporary(context: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "metanet-config-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "gw.yaml");
  writeFileSync(file, text);
  return file;
}

function problemsOf(text: string): string[] {
  try {
    parseConfiguration("gw.yaml", text);
    return [];
  } catch (error) {
    if (!(error instanceof BadConfigurationError)) throw error;
    return error.problems.map((problem) => formatProblem(error.file, problem));
  }
}

describe("parseConfiguration()", () => {
  it("parseConfiguration() gives typed values, and defaults for what is left out", () => {
    const { name, log, dhcpd, portald } = parseConfiguration(
      "gw.yaml",
      `${FIREWALL}\n${DHCPD}\n  lease: 10m\nportald: { address: 10.77.0.1 }`,
    );
    assert.equal(name, "gateway");
    assert.equal(log, "info");
    assert.equal(dhcpd?.lease, minutes(10));
    assert.equal(String(dhcpd?.pool.last), "10.77.0.199");
    assert.equal(portald?.port, 5280);
  });

  const rows: Record<string, [text: string, ...problems: string[]]> = {
    "an empty file": [
      "",
      "gw.yaml:1:1: no service is configured; add a section firewall, dhcpd, portald or packetd",
    ],
    "text that is not YAML": [
      'name: "gw',
      'gw.yaml:1:10: not YAML here: Missing closing "quote; close the quote or bracket',
    ],
    "an alias without its anchor": [
      "name: gw\nstate: *there",
      "gw.yaml:2:8: *there stands for nothing; write &there before the value it stands for",
    ],
    "aliases that grow without end": [
      `a: &a [x,x]\n${[..."bcdefgh"].map((name, n) => `${name}: &${name} [${`*${"abcdefgh"[n]},`.repeat(9)}]`).join("\n")}`,
      "gw.yaml: Excessive alias count indicates a resource exhaustion attack; write out what the aliases stand for",
    ],
    "a tab": [
      "firewall:\n\tinside: lan0",
      "gw.yaml:2:1: not YAML here: Tabs are not allowed as indentation; indent with spaces",
    ],
    "a key that stands twice": [
      `${FIREWALL}\n${FIREWALL}`,
      "gw.yaml:2:1: not YAML here: Map keys must be unique; keep one of the two",
    ],
    "a list at the top": [
      "- firewall",
      "gw.yaml:1:1: a list of 1 is not a block of keys; write its keys below it, indented",
    ],
    "a mistyped section": [
      `firewal: { inside: lan0, outside: wan0 }`,
      "gw.yaml:1:1: firewal: there is no such key; did you mean firewall?",
    ],
    "a mistyped key that was needed is told once": [
      "firewall: { inside: lan0, outsid: wan0 }",
      "gw.yaml:1:27: firewall.outsid: there is no such key; did you mean outside?",
    ],
    "a key in the wrong place": [
      `${FIREWALL}\nlease: 10m`,
      "gw.yaml:2:1: lease: there is no such key; move it below dhcpd",
    ],
    "a key nobody knows": [
      `firewall: { inside: lan0, outside: wan0, colour: red }`,
      "gw.yaml:1:42: firewall.colour: there is no such key; remove it; there are inside, outside, portal-port, api-port, timeout-max, masquerade, masquerade6, prefixes, resolvers, marks",
    ],
    "a missing key": [
      "firewall: { inside: lan0 }",
      "gw.yaml:1:1: firewall.outside: is missing; add it, like lan0",
    ],
    "a duration without a unit": [
      `${DHCPD}\n  lease: 600`,
      "gw.yaml:6:10: dhcpd.lease: the number 600 is not a duration; write it like 30s or 10m or 12h",
    ],
    "several mistakes, in the order of the lines": [
      "name: 'a b'\ndhcpd:\n  interface: lan0\n  server: 10.77.0.256\n  subnet: 10.77.0.1/24\n  pool: 10.77.0.5\n  dns: 9.9.9.9\n  routers: [10.77.0.1, 7]\nportald: on",
      "gw.yaml:1:7: name: 'a b' is not a name; write it like gw",
      "gw.yaml:4:11: dhcpd.server: '10.77.0.256' is not an IPv4 address; write it like 10.77.0.1",
      "gw.yaml:5:11: dhcpd.subnet: '10.77.0.1/24' is not an IPv4 prefix; write it like 10.77.0.0/24",
      "gw.yaml:6:9: dhcpd.pool: '10.77.0.5' is not a first and a last IPv4 address; write [FIRST, LAST] like [10.77.0.100, 10.77.0.199]",
      "gw.yaml:7:8: dhcpd.dns: '9.9.9.9' is not a list; write it in brackets, like [10.77.0.1]",
      "gw.yaml:8:24: dhcpd.routers[1]: the number 7 is not an IPv4 address; write it like 10.77.0.1",
      "gw.yaml:9:10: portald: 'on' is not a block of keys; write its keys below it, indented",
    ],
    "a boolean of YAML 1.1": [
      "firewall: { inside: lan0, outside: wan0, masquerade: yes }",
      "gw.yaml:1:54: firewall.masquerade: 'yes' is not true or false; write true",
    ],
    "an order of mailboxes and listeners that are not there": [
      `${FIREWALL}\norder:\n  dhcpd:/dhcpd/lokup: { glue/*: -5 }\n  dhcpd:/dhcpd/lookup:\n    "glue/": 5\n    dhcpd/pool: 5\n    glue/ldap: soon`,
      "gw.yaml:7:16: order.dhcpd:/dhcpd/lookup.glue/ldap: 'soon' is not a band; write a whole number from -1000000 to 1000000, lower is asked first, or never",
    ],
    "an order that nobody can carry out": [
      `${FIREWALL}\norder:\n  dhcpd:/dhcpd/lokup: { glue/*: -5 }\n  dhcpd:/dhcpd/lookup:\n    "glue/": 5\n    dhcpd/pool: 5\n    "*": never`,
      "gw.yaml:3:3: order.dhcpd:/dhcpd/lokup: no service has such a mailbox; did you mean dhcpd:/dhcpd/lookup?",
      "gw.yaml:5:14: order.dhcpd:/dhcpd/lookup.glue/: 'glue/' is not a listener; write process/label, process/*, a label, or * for everybody else",
      "gw.yaml:6:17: order.dhcpd:/dhcpd/lookup.dhcpd/pool: dhcpd orders its own listeners itself; give bands to the others' listeners; its own stand at 1000",
    ],
    "rights that cannot be meant": [
      `${FIREWALL}\nrights:\n  firewal:/firewall: { send: { users: [5] } }\n  firewall:/firewal: { send: { users: [5] } }\n  /sys: { intercept: { users: [5] } }`,
      "gw.yaml:3:3: rights.firewal:/firewall: it names no mailboxes; write SERVICE:/PATH with firewall, dhcpd, portald, packetd, or /PATH for every service",
      "gw.yaml:4:3: rights.firewall:/firewal: no mailbox is there or below; did you mean /firewall?",
      "gw.yaml:5:11: rights./sys.intercept: mailboxes under /sys cannot be intercepted; remove it; send and observe can be granted",
    ],
    "a right that is mistyped, and a user that is none": [
      `${FIREWALL}\nrights:\n  /sys: { sned: { users: [5] }, observe: { users: ["a b"], group: [5] } }`,
      "gw.yaml:3:11: rights./sys.sned: there is no such key; did you mean send?",
      "gw.yaml:3:52: rights./sys.observe.users[0]: 'a b' is not a user or group; write it like alice or 1000",
      "gw.yaml:3:60: rights./sys.observe.group: there is no such key; did you mean groups?",
    ],
    "packet scripts that cannot be meant": [
      `packetd:
  scripts:
    a: { file: a.ts, function: f, hook: forwad }
    b: { file: /b.ts, function: f, hook: input, queues: 0, onerror: drop }`,
      "gw.yaml:3:16: packetd.scripts.a.file: 'a.ts' is not the absolute path of a script; write it like /etc/metanet/scripts/nat.ts",
      "gw.yaml:3:41: packetd.scripts.a.hook: 'forwad' is not one of prerouting, input, forward, output, postrouting, ingress, egress, xdp; write it like prerouting or input or forward or output or postrouting or ingress or egress or xdp",
      "gw.yaml:4:57: packetd.scripts.b.queues: the number 0 is not one; write a whole number from 1 to 64",
      "gw.yaml:4:60: packetd.scripts.b.onerror: there is no such key; did you mean on-error?",
    ],
    "packet scripts that nft would refuse": [
      `packetd:
  scripts:
    1b: { file: /b.ts, function: f, hook: forward }
    c: { file: /c.ts, function: f, hook: input, out: wan0 }
    d: { file: /d.ts, function: f, hook: forward, match: "udp dport 53 drop" }`,
      "gw.yaml:3:5: packetd.scripts.1b: name '1b' is not a letter and up to 63 of a-z A-Z 0-9 _ -; choose another value",
      "gw.yaml:4:5: packetd.scripts.c: packets at input do not leave by an interface yet; take `in:`",
      "gw.yaml:5:58: packetd.scripts.d.match: 'drop' does something, and a match only chooses packets; write an expression that only chooses packets",
    ],
    "a port out of range": [
      `${FIREWALL}\nportald: { address: 10.77.0.1, port: 70000 }`,
      "gw.yaml:2:38: portald.port: the number 70000 is not one; write a whole number from 1 to 65535",
    ],
    "a pool outside the subnet": [
      DHCPD.replace("10.77.0.199", "10.78.0.199"),
      "gw.yaml:5:23: dhcpd.pool[1]: 10.78.0.199 is outside the subnet 10.77.0.0/24; change it or dhcpd.subnet",
    ],
    "a pool that ends before it begins": [
      DHCPD.replace("10.77.0.199", "10.77.0.99"),
      "gw.yaml:5:9: dhcpd.pool: 10.77.0.100 is behind 10.77.0.99; write [FIRST, LAST] like [10.77.0.100, 10.77.0.199]",
    ],
    "the server's address in the pool": [
      DHCPD.replace("10.77.0.100", "10.77.0.1"),
      "gw.yaml:5:9: dhcpd.pool: the server's own address 10.77.0.1 is in it; begin the pool behind it",
    ],
    "the whole subnet as a pool": [
      DHCPD.replace("server: 10.77.0.1", "server: 10.77.0.1").replace(
        /pool: .*/,
        "pool: [10.77.0.0, 10.77.0.255]",
      ),
      "gw.yaml:5:9: dhcpd.pool: the server's own address 10.77.0.1 is in it; begin the pool behind it",
      "gw.yaml:5:10: dhcpd.pool[0]: 10.77.0.0 is the network itself; begin one higher",
      "gw.yaml:5:21: dhcpd.pool[1]: 10.77.0.255 is the broadcast address; end one lower",
    ],
    "a portal without a firewall": [
      "portald: { address: 10.77.0.1 }",
      "gw.yaml:1:1: portald: nobody would open the door: there is no firewall section; add firewall: { inside: …, outside: … }",
    ],
    "one interface for both sides": [
      "firewall: { inside: lan0, outside: lan0 }",
      "gw.yaml:1:36: firewall.outside: lan0 is the inside as well; name two interfaces",
    ],
    "DHCP towards the outside": [
      `firewall: { inside: lan1, outside: lan0 }\n${DHCPD}`,
      "gw.yaml:3:14: dhcpd.interface: lan0 is the outside: strangers would get leases; use lan1",
    ],
    "a port that needs root": [
      `${FIREWALL}\nportald: { address: 10.77.0.1, port: 80 }`,
      "gw.yaml:2:38: portald.port: 80 needs root's powers, which the portal does not have; use 5280; the firewall sends port 80 there",
    ],
    "a longest lease that is shorter than the usual one": [
      `${DHCPD}\n  lease: 1h\n  lease-max: 10m`,
      "gw.yaml:7:14: dhcpd.lease-max: it is less than dhcpd.lease; leave it out, or make it longer",
    ],
    "a least lease above the lease": [
      `${DHCPD}\n  lease: 1h\n  lease-min: 2h`,
      "gw.yaml:7:14: dhcpd.lease-min: it is more than dhcpd.lease; leave it out, or make it shorter",
    ],
    "permits that end before the portal's sessions": [
      "firewall: { inside: lan0, outside: wan0, timeout-max: 1h }\nportald: { address: 10.77.0.1 }",
      "gw.yaml:1:55: firewall.timeout-max: it is less than portald.session: the firewall would let nobody in; leave it out, or make it longer",
    ],
    "no time for a decision": [
      `${FIREWALL}\nportald: { address: 10.77.0.1, decision-timeout: 0 }`,
      "gw.yaml:2:50: portald.decision-timeout: it is no time at all; make it longer",
    ],
    "options that are none, or are not written so": [
      `${DHCPD}\n  options: { ntp-server: 10.77.0.1, interface-mtu: big, option-200: text }`,
      "gw.yaml:6:26: dhcpd.options.ntp-server: there is no such option; use a name of the manual page of dhcpd, or option-N",
      "gw.yaml:6:52: dhcpd.options.interface-mtu: 'big' is not its value; write it like 1500",
      "gw.yaml:6:69: dhcpd.options.option-200: 'text' is not its value; write it like 0x0a1b2c",
    ],
    "no time at all": [
      `${DHCPD}\n  lease: 0`,
      "gw.yaml:6:10: dhcpd.lease: it is no time at all; make it longer",
    ],
    "a size": [
      `${FIREWALL}\nportald: { address: 10.77.0.1, quota: 2 GB }`,
      "gw.yaml:2:39: portald.quota: '2 GB' is not a number of bytes; write it like 500M or 2G",
    ],
    "two ports for one portal": [
      `firewall: { inside: lan0, outside: wan0, portal-port: 81 }\nportald: { address: 10.77.0.1 }`,
      "gw.yaml:1:55: firewall.portal-port: 81 is not portald's port 5280: nobody would see the portal; leave it out, or change portald.port",
    ],
  };
  for (const [what, [text, ...wanted]] of Object.entries(rows)) {
    it(`parseConfiguration() tells ${what}`, () => assert.deepEqual(problemsOf(text), wanted));
  }
});

describe("readConfiguration()", () => {
  it("readConfiguration() says that a file is not there", () =>
    assert.throws(() => readConfiguration("/nowhere/gw.yaml"), {
      name: "ConfigurationError",
      message:
        "Cannot read configuration /nowhere/gw.yaml: there is no such file; example/gateway/metanet.yaml is one to copy",
    }));
  it("readConfiguration() refuses a folder", () =>
    assert.throws(() => readConfiguration("/"), /it is a folder; name the file in it/));
  it(`readConfiguration() refuses more than ${CONFIGURATION_BYTES_MAX} bytes`, (context) => {
    const file = writeTemporary(context, `#${"x".repeat(CONFIGURATION_BYTES_MAX)}`);
    assert.throws(() => readConfiguration(file), ConfigurationError);
  });
});

describe("parseConfiguration() for a machine", () => {
  const machine = {
    interfaces: ["lo", "wan0"],
    uidOf: (user: string) => (user === "alice" ? 1001 : undefined),
    gidOf: (group: string) => (group === "noc" ? 50 : undefined),
  };
  it("parseConfiguration() names each user and group the machine does not have", () => {
    const text = `firewall: { inside: lo, outside: wan0 }
rights:
  firewall:/firewall:
    send: { users: [alice, bob], groups: [noc] }
    observe:
      groups: [nco]`;
    assert.throws(
      () => parseConfiguration("gw.yaml", text, machine),
      (error: unknown) => {
        assert.ok(error instanceof BadConfigurationError);
        assert.deepEqual(
          error.problems.map((problem) => formatProblem("gw.yaml", problem)),
          [
            "gw.yaml:4:28: rights.firewall:/firewall.send.users[1]: this machine has no user 'bob'; write a name that `getent` knows, or a number",
            "gw.yaml:6:16: rights.firewall:/firewall.observe.groups[0]: this machine has no group 'nco'; write a name that `getent` knows, or a number",
          ],
        );
        return true;
      },
    );
  });
  it("parseConfiguration() names each interface the machine does not have, and those it has", () => {
    const fix = "use one of lo, wan0, or make it first with `ip link add`";
    assert.throws(() => parseConfiguration("gw.yaml", `${FIREWALL}\n${DHCPD}`, machine), {
      message: `Cannot use configuration gw.yaml: 2 mistakes
  gw.yaml:1:21: firewall.inside: this machine has no interface lan0; ${fix}
  gw.yaml:3:14: dhcpd.interface: this machine has no interface lan0; ${fix}`,
    });
  });
});

describe("dhcpd.options", () => {
  it("dhcpOptions reads every kind of option as people write it", () => {
    const { dhcpd } = parseConfiguration(
      "gw.yaml",
      `${DHCPD}
  options:
    ntp-servers: [10.77.0.1, 10.77.0.2]
    tftp-server-name: boot
    interface-mtu: 1500
    domain-search: [lab.example, example]
    classless-routes: [10.1.0.0/16, 10.77.0.2]
    option-200: "0x0a1b"`,
    );
    assert.ok(dhcpd);
    const [subnet] = dhcpdConfig(dhcpdOptions(dhcpd)).subnets;
    const sent = [...(subnet?.data ?? [])].map(
      ([code, data]) => `${code} ${Buffer.from(data).toString("hex")}`,
    );
    for (const option of [
      "42 0a4d00010a4d0002",
      "66 626f6f74",
      "26 05dc",
      "121 100a010a4d0002",
      "200 0a1b",
    ]) {
      assert.ok(sent.includes(option), `${option} in ${sent.join(", ")}`);
    }
  });
});

describe("firewallOptions()", () => {
  it("firewallOptions() lets a permit last as long as the portal's sessions", () => {
    const text = `${FIREWALL}\nportald: { address: 10.77.0.1, session: 7d }`;
    const { firewall, portald } = parseConfiguration("gw.yaml", text);
    assert.ok(firewall);
    assert.equal(firewallOptions(firewall, portald).timeoutMax, hours(7 * 24));
    assert.equal(firewallOptions(firewall, undefined).timeoutMax, hours(24));
  });
});

describe("portald.accounting", () => {
  const portal = "portald: { address: 10.77.0.1, accounting: packet-script }";

  it("gatewayScripts() puts the scripts that count for the portal in front of the others", () => {
    const more = "packetd: { scripts: { mine: { file: /etc/mine.ts, function: f, hook: forward } } }";
    const configuration = parseConfiguration("gw.yaml", `${FIREWALL}\n${portal}\n${more}`);
    const scripts = gatewayScripts(configuration);
    assert.deepEqual(
      scripts.map(({ name, function: f, in: inn, out, engine }) => [name, f, inn, out, engine]),
      [
        ["portal-upward", "upward", "lan0", undefined, "kernel"],
        ["portal-downward", "downward", undefined, "lan0", "kernel"],
        ["mine", "f", undefined, undefined, "auto"],
      ],
    );
    for (const { file } of scripts.slice(0, 2)) assert.ok(existsSync(file), file);
    const { portald: _, ...without } = configuration;
    assert.deepEqual(
      gatewayScripts(without as typeof configuration).map(({ name }) => name),
      ["mine"],
    );
  });

  it("wants a packetd, and names of its own", () => {
    assert.throws(() => parseConfiguration("gw.yaml", `${FIREWALL}\n${portal}`), /no packetd section/);
    const taken = "packetd: { scripts: { portal-upward: { file: /a.ts, function: f, hook: forward } } }";
    assert.throws(
      () => parseConfiguration("gw.yaml", `${FIREWALL}\n${portal}\n${taken}`),
      /choose another name/,
    );
  });
});
