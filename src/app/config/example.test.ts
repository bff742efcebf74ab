import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { dhcpdConfig } from "#service/dhcpd/config.ts";
import { firewallConfig } from "#service/firewall/config.ts";
import { jsonSchema } from "./json-schema.ts";
import { parseConfiguration } from "./read.ts";
import { knownKeys } from "./schema.ts";
import { dhcpdOptions, firewallOptions, portalOptions, servicesOf } from "./service-options.ts";

const ROOT = join(import.meta.dirname, "../../..");
const EXAMPLE = readFileSync(join(ROOT, "example/gateway/metanet.yaml"), "utf8");

describe("example/gateway/metanet.yaml", () => {
  const configuration = parseConfiguration("metanet.yaml", EXAMPLE);
  it("runs every service", () =>
    assert.deepEqual(servicesOf(configuration), ["firewall", "dhcpd", "portald"]));

  it("is taken by the services", () => {
    const { firewall, dhcpd, portald } = configuration;
    assert.ok(firewall && dhcpd && portald);
    assert.equal(firewallConfig(firewallOptions(firewall, portald)).portalPort, 5280);
    assert.equal(dhcpdConfig(dhcpdOptions(dhcpd)).subnets.length, 1);
    assert.equal(portalOptions(portald).title, "Library guest network");
  });

  for (const section of ["firewall", "dhcpd", "portald"]) {
    it(`shows every key of ${section}`, () => {
      const missing = knownKeys([section]).filter((key) => !new RegExp(`^  (# )?${key}:`, "m").test(EXAMPLE));
      assert.deepEqual(missing, []);
    });
  }

  it("shows every key of a packet script, in lines that can be used once the # is gone", () => {
    const [section = ""] = /^# packetd:\n(# {3,}.*\n)+/m.exec(EXAMPLE) ?? [];
    const text = section.replace(/^# /gm, "");
    // A hook at which packets both come in and leave.
    const forward = text.replace("hook: postrouting", "hook: forward");
    const { packetd } = parseConfiguration("metanet.yaml", forward);
    const [nat] = Object.values(packetd?.scripts ?? {});
    assert.deepEqual(knownKeys(["packetd", "scripts", "nat"]).toSorted(), Object.keys(nat ?? {}).toSorted());
  });

  it("shows defaults that are the defaults", () => {
    const filled = EXAMPLE.replace(/^( *)# ([a-z0-9-]+: )/gm, (line, indent, key) =>
      /language-server|captive-portal|address6|names|api-port|options/.test(line) ? line : `${indent}${key}`,
    );
    const spelled = parseConfiguration("metanet.yaml", filled);
    const { dhcpd, firewall, ...rest } = spelled;
    assert.deepEqual(JSON.parse(JSON.stringify(rest)), {
      ...JSON.parse(JSON.stringify({ ...configuration, dhcpd: undefined, firewall: undefined })),
      run: "/run/metanet",
    });
    // These follow others, or the service, when they are left out; the example writes out what they then are.
    const following = Object.fromEntries(
      ["routers", "lease-min", "lease-max", "leases-max", "portal-port", "timeout-max"].map((key) => [
        key,
        undefined,
      ]),
    );
    assert.deepEqual({ ...dhcpd, ...following }, { ...configuration.dhcpd, ...following });
    assert.deepEqual({ ...firewall, ...following }, { ...configuration.firewall, ...following });
  });
});

describe("docs/metanet.schema.json", () => {
  it("is what tool/config-schema.ts writes", () =>
    assert.equal(readFileSync(join(ROOT, "docs/metanet.schema.json"), "utf8"), jsonSchema()));
});
