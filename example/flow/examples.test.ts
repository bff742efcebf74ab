import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { FLOW_LIMITS, FLOW_POLICY, writeCapture } from "metanet/flow";
import { LinkType } from "#packet/link-type.ts";
import { PcapWriter } from "#wire/pcap-writer.ts";
import { conversation } from "../../test/support/conversation.ts";

const METANET = join(import.meta.dirname, "../../bin/metanet");
const execute = promisify(execFile);
const readme = readFileSync(join(import.meta.dirname, "README.md"), "utf8");
const guide = readFileSync(join(import.meta.dirname, "../../docs/flow-monitors.md"), "utf8");
const examples = [...readme.matchAll(/^\| \[([a-z-]+\.ts)\]/gm)].map(([, file]) => file ?? "");
const commands = [...readme.matchAll(/^metanet flow run ([a-z-]+\.ts) in\.pcap ([^|\n#]*)/gm)];

describe("example/flow", () => {
  const folder = mkdtempSync(join(tmpdir(), "metanet-flow-examples-"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  before(async () => {
    const talk = conversation({ client: "10.0.0.1:1025", server: "10.0.0.2:443" });
    const output = await writeCapture(join(folder, "in.pcap"), {
      writer: new PcapWriter({ linkType: LinkType.ethernet }),
    });
    const packets = [
      ...talk.handshake(),
      talk.client("GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"),
      talk.server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
      ...talk.close(),
    ];
    for (const packet of packets) await output.write(packet);
    await output.close();
  });

  test("the README tells of every program in the folder", () => {
    const modules = /^(?:delay-(?:lane|plot|simulation)|http-messages|text|test-world|.*-inline)\.ts$/;
    const files = readdirSync(import.meta.dirname).filter((name) => /(?<!\.test)\.ts$/.test(name));
    assert.deepEqual(files.filter((name) => !modules.test(name)).sort(), [...examples].sort());
  });

  for (const [, file = "", words = ""] of commands) {
    test(`the README's command runs: ${file} ${words.trim()}`, async () => {
      const program = join(import.meta.dirname, file);
      const options = { cwd: folder, timeout: 120_000 };
      const { stdout, stderr } = await execute(
        METANET,
        ["flow", "run", program, "in.pcap", ...words.trim().split(/\s+/)],
        options,
      );
      assert.match(stderr, /^metanet: 8 packets, 1 flows/m);
      assert.notEqual(stdout, "");
    });
  }

  for (const [, file = "", functionName = ""] of readme.matchAll(
    /^sudo metanet script load ([a-z-]+\.ts) --function (\w+)/gm,
  )) {
    test(`metanet script check finds nothing wrong with ${functionName} of ${file}`, async () => {
      const program = join(import.meta.dirname, file);
      const { stdout } = await execute(METANET, ["script", "check", program], { timeout: 120_000 });
      assert.match(stdout, new RegExp(`^${functionName} `, "m"));
    });
  }

  test("the guide has every policy, time-out and limit with its default", () => {
    const rows = new Map(
      [...guide.matchAll(/^\| `(\w+)` \| ([^|]+) \|/gm)].map(
        ([, name, value]) => [name, value?.trim()] as const,
      ),
    );
    const { timeouts, ...policy } = FLOW_POLICY;
    for (const [name, value] of Object.entries({ ...policy, ...FLOW_LIMITS })) {
      const text =
        typeof value === "object"
          ? `{ vlan: ${value.vlan}, tunnel: ${value.tunnel} }`
          : JSON.stringify(value);
      assert.equal(rows.get(name)?.replaceAll("`", ""), text, name);
    }
    for (const [name, value] of Object.entries(timeouts)) {
      const text = value % 60_000 === 0 && value > 60_000 ? `${value / 60_000} min` : `${value / 1000} s`;
      assert.equal(rows.get(name), text, name);
    }
  });
});
