/**
 * A gateway whose portal has its clients' bytes counted by packet scripts in the kernel: real programs, real traffic.
 * @module
 */
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Outcome, type Running, run, start, temporaryFolder } from "../command-line/metanet-command.ts";
import { kernelProblem } from "../support/kernel-problem.ts";
import { CLIENT, CLIENT_MAC, GatewayNet, SERVER } from "./gateway-net.ts";
import { rootProblem } from "./own-namespace.ts";

const CLIENT_KEY = String(0x0a4d_0064);
const CLIENT_KEY6 = String((0x2001_0db8_0077n << 80n) + 0x100n);

/** Gives as many bytes as the path says, and takes all that come. */
const SERVE = `
const { createServer } = require("node:http");
createServer((request, response) => {
  request.resume();
  request.on("end", () => response.end(Buffer.alloc(Number(request.url.slice(1)))));
}).listen(80, "::", () => console.log("ready"));
`;

describe("the portal's accounting by packet scripts", { skip: rootProblem() || kernelProblem() }, () => {
  let net: GatewayNet;
  before(async () => {
    net = new GatewayNet();
    await net.start(net.server, SERVE);
  });
  after(() => net.close());

  test("a session's bytes are those that the kernel's programs have counted, IPv4 and IPv6", async (context) => {
    const gateway = await up(context);
    await gateway.said("packet scripts in the kernel count the clients' bytes");
    // What is refused before the login is counted by the scripts, and not as the session's.
    const refused = await net.onClient("curl", "-sm2", `http://${SERVER[4]}:443/`);
    assert.notEqual(refused.code, 0);
    await until(async () => ((await gateway.map("client-bytes-up"))[CLIENT_KEY] ?? 0) > 0);
    const before = (await gateway.map("client-bytes-up"))[CLIENT_KEY] ?? 0;
    for (const address of [CLIENT[4], CLIENT[6]]) {
      await gateway.call("portald:/portald/login", `mac=${CLIENT_MAC}`, `address=${address}`);
    }
    await transfer(3_000_000, 1_000_000);
    await until(async () => {
      const counted = await gateway.map("client-bytes-up");
      const counted6 = await gateway.map("client-bytes-up6");
      return (
        (await gateway.sessions()).up === (counted[CLIENT_KEY] ?? 0) + (counted6[CLIENT_KEY6] ?? 0) - before
      );
    });
    const used = await gateway.sessions();
    const counted = await gateway.map("client-bytes-down");
    const counted6 = await gateway.map("client-bytes-down6");
    assert.ok((counted[CLIENT_KEY] ?? 0) > 3_000_000 && (counted6[CLIENT_KEY6] ?? 0) > 3_000_000);
    assert.ok(used.up > 2_000_000 && used.up < 2_400_000, `${used.up} bytes up`);
    assert.ok(used.down > 6_000_000 && used.down < 6_400_000, `${used.down} bytes down`);
  });

  test("the firewall's counters serve when the scripts are unloaded, and the log says so", async (context) => {
    const gateway = await up(context);
    await gateway.said("packet scripts in the kernel count the clients' bytes");
    await gateway.call("portald:/portald/login", `mac=${CLIENT_MAC}`, `address=${CLIENT[4]}`);
    const down = async (): Promise<number> => (await gateway.sessions()).down;
    const { code } = await net.onClient("curl", "-sfm20", "-o", "/dev/null", `http://${SERVER[4]}/1000000`);
    assert.equal(code, 0);
    await until(async () => (await down()) > 1_000_000);
    await gateway.metanet("script", "unload", "--all");
    await gateway.said("the firewall counts the clients' bytes");
    // One reading is where the firewall's count begins.
    await pause(1000);
    const seen = await down();
    await net.onClient("curl", "-sfm20", "-o", "/dev/null", `http://${SERVER[4]}/1000000`);
    await until(async () => (await down()) > seen + 1_000_000);
    assert.ok((await down()) < seen + 1_200_000);
  });

  async function transfer(down: number, up: number): Promise<void> {
    const file = `/tmp/mn-accounting-${process.pid}`;
    writeFileSync(file, Buffer.alloc(up));
    for (const host of [SERVER[4], `[${SERVER[6]}]`]) {
      const words = ["-gsfm20", "-o", "/dev/null", "-X", "PUT", "-T", file, `http://${host}/${down}`];
      const { code } = await net.onClient("curl", ...words);
      assert.equal(code, 0, host);
    }
  }
});

/** A gateway that runs, and what is asked of it. */
interface Gateway extends Pick<Running, "said"> {
  metanet(...words: string[]): Promise<string>;
  call(address: string, ...fields: string[]): Promise<Record<string, unknown>>;
  map(name: string): Promise<Record<string, number>>;
  /** Of the one client. */
  sessions(): Promise<{ readonly up: number; readonly down: number }>;
}

async function up(context: TestContext): Promise<Gateway> {
  const folder = temporaryFolder(context);
  chmodSync(folder, 0o755);
  const file = join(folder, "gw.yaml");
  const directory = join(folder, "run");
  const lines = [
    `run: ${directory}`,
    `state: ${folder}/state`,
    "firewall: { inside: lan0, outside: wan0 }",
    "portald: { address: 10.77.0.1, accounting: packet-script, poll: 300ms }",
    "packetd: {}",
  ];
  writeFileSync(file, lines.join("\n"));
  const running = start(directory, ["up", file]);
  context.after(async () => {
    running.process.kill("SIGTERM");
    await running.ended;
  });
  const metanet = async (...words: string[]): Promise<string> => {
    const { code, out, err }: Outcome = await run(directory, words);
    assert.equal(code, 0, `metanet ${words.join(" ")}: ${out}${err}`);
    return out;
  };
  const call = async (address: string, ...fields: string[]): Promise<Record<string, unknown>> => {
    const { tuples } = JSON.parse(await metanet("call", "--json", address, ...fields)) as {
      tuples: [tag: string, type: string, value: unknown][];
    };
    return Object.fromEntries(tuples.map(([tag, , value]) => [tag, value]));
  };
  return {
    said: running.said,
    metanet,
    call,
    map: async (name) => {
      const { key, value } = await call("packetd:/packetd/map/read", `name=${name}`);
      const values = numbers(value);
      return Object.fromEntries((key as string[]).map((one, index) => [one, values[index] ?? 0]));
    },
    sessions: async () => {
      const { "up-bytes": upBytes, "down-bytes": downBytes } = await call("portald:/portald/sessions");
      return { up: numbers(upBytes)[0] ?? 0, down: numbers(downBytes)[0] ?? 0 };
    },
  };
}

function numbers(column: unknown): number[] {
  return Array.isArray(column) ? column.map(Number) : [];
}

/** Waits until it is so; fails after a minute. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < end, "not in a minute");
    await pause(50);
  }
}
