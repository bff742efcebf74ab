import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { SeededRandom } from "#base/seeded-random.ts";
import { inNamespace } from "#linux/namespace.ts";
import { LinuxPacketSender } from "#linux/packet-sender.ts";
import { build } from "#packet/build.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { tcp } from "#packet/tcp.ts";
import { rootProblem } from "./own-namespace.ts";
import { addAddresses, ExampleLab } from "./packet-examples-lab.ts";
import { run, SERVER } from "./packet-queue-net.ts";

/** An HTTP server that says who asks and where. */
const WHO = `
import { createServer } from "node:http";
const [host, port, backlog] = process.argv.slice(2);
createServer((request, response) => {
  response.setHeader("Connection", "close");
  response.end(request.socket.remoteAddress + " at " + host);
}).listen({ host, port: Number(port), backlog: Number(backlog ?? 100) }, () => console.log("ready"));
`;

/** Asks a DNS server for a name. */
const ASK = `
import { Resolver } from "node:dns/promises";
const [server, name, type] = process.argv.slice(2);
const resolver = new Resolver({ timeout: 1000, tries: 2 });
resolver.setServers([server]);
console.log(await resolver.resolve(name, type).then((all) => all.join(" "), (error) => error.code));
`;

/** A TLS server for whatever name. */
const TLS = `
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
const [host, file] = process.argv.slice(2);
const pem = readFileSync(file);
createServer({ key: pem, cert: pem }, (request, response) => response.end("hello"))
  .listen({ host, port: 443 }, () => console.log("ready"));
`;

describe("examples of packet scripts, with real programs", { skip: rootProblem() }, () => {
  let lab: ExampleLab;
  let loaded: string[] = [];

  before(() => {
    lab = new ExampleLab();
    for (const [name, text] of [
      ["who.mjs", WHO],
      ["ask.mjs", ASK],
      ["tls.mjs", TLS],
    ] as const) {
      writeFileSync(join(lab.folder, name), text);
    }
  });
  after(() => lab.close());
  afterEach(async () => {
    await lab.unload(...loaded);
    loaded = [];
  });

  async function load(file: string, functionName: string, ...words: string[]): Promise<void> {
    await lab.load(file, functionName, ...words);
    loaded.push(functionName);
  }

  async function hasNoErrors(): Promise<void> {
    for (const name of loaded) {
      const { errors, faults, packets } = await lab.listed(name);
      assert.equal(errors, 0, JSON.stringify(faults));
      assert.ok(packets > 0, `${name} saw no packet`);
    }
  }

  function node(file: string, ...words: string[]): string[] {
    return [process.execPath, join(lab.folder, file), ...words];
  }

  async function client(...words: string[]) {
    return await lab.run(lab.net.client, words);
  }

  test("nat.ts translates what curl and ping send, and its answers", async () => {
    run("ip address add 192.168.0.1/24 dev lan0");
    run("ip address add 10.0.0.1/24 dev wan0");
    addAddresses(lab.net.client, "192.168.0.2/24");
    addAddresses(lab.net.server, "10.0.0.2/24");
    run(`ip -n ${lab.net.client} route add 10.0.0.0/24 via 192.168.0.1 src 192.168.0.2`);
    await lab.start(lab.net.server, node("who.mjs", "10.0.0.2", "80"), /ready/);
    await load("nat.ts", "snat", "--hook", "postrouting", "--out", "wan0");
    await load("nat.ts", "dnat", "--hook", "prerouting", "--in", "wan0");
    const { stdout, stderr } = await client("curl", "-sS", "--max-time", "5", "http://10.0.0.2/");
    assert.equal(stdout, "::ffff:10.0.0.1 at 10.0.0.2".replace("::ffff:", ""), stderr);
    assert.equal((await client("ping", "-c", "2", "-i", "0.2", "-W", "2", "10.0.0.2")).code, 0);
    await hasNoErrors();
  });

  test("dns-doctor.ts treats dnsmasq's answers, and answers for it, over IPv4 and IPv6", async () => {
    await lab.start(lab.net.server, [
      "dnsmasq",
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--pid-file=",
      "--no-resolv",
      "--no-hosts",
      "--bind-interfaces",
      "--user=root",
      `--listen-address=${SERVER[4]},${SERVER[6]}`,
      "--address=/www.example.com/192.0.2.99",
      "--address=/www.example.com/2001:db8::99",
      "--address=/example.net/192.0.2.98",
    ]);
    await lab.listening(lab.net.server, 53, "udp");
    await load("dns-doctor.ts", "treat", "--hook", "forward", "--match", "udp sport 53");
    await load("dns-doctor.ts", "block", "--hook", "forward", "--match", "udp dport 53");
    for (const server of [SERVER[4], `[${SERVER[6]}]`]) {
      for (const [name, type, answer] of [
        ["www.example.com", "A", "10.1.2.3"],
        ["www.example.com", "AAAA", "fd00::1:2:3"],
        ["example.net", "A", "192.0.2.98"],
        ["ads.example.net", "A", "ENOTFOUND"],
        ["deep.ads.example.net", "AAAA", "ENOTFOUND"],
      ] as const) {
        const { stdout, stderr } = await client(...node("ask.mjs", server, name, type));
        assert.equal(stdout.trim(), answer, `${name} ${type} at ${server}: ${stderr}`);
      }
    }
    await hasNoErrors();
  });

  test("sni-filter.ts resets curl's connections to listed names, also when the hello comes in pieces", async () => {
    const pem = join(lab.folder, "pem");
    const words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test";
    execFileSync("openssl", [...words.split(" "), "-keyout", pem, "-out", `${pem}.cert`], { stdio: "pipe" });
    execFileSync("sh", ["-c", 'cat "$1.cert" >> "$1"', "sh", pem]);
    for (const host of [SERVER[4], SERVER[6]])
      await lab.start(lab.net.server, node("tls.mjs", host, pem), /ready/);
    const match = "tcp dport 443 ct mark & 0x1000 == 0";
    await load("sni-filter.ts", "resetListed", "--hook", "forward", "--match", match);
    lab.net.setOffload(false);
    for (const pieces of [false, true]) {
      // Segments of 200 bytes.
      if (pieces) run(`ip -n ${lab.net.client} route change default via 10.91.1.1 mtu lock 252`);
      for (const [name, code, text] of [
        ["allowed.example", 0, "hello"],
        ["blocked.example", 35, ""],
        ["www.blocked.example", 35, ""],
      ] as const) {
        for (const host of pieces ? [SERVER[4]] : [SERVER[4], SERVER[6]]) {
          const target = ["--connect-to", `::[${host}]:443`, `https://${name}/`];
          const ended = await client("curl", "-sSk", "--max-time", "5", ...target);
          assert.deepEqual([ended.code, ended.stdout], [code, text], `${name} at ${host}: ${ended.stderr}`);
          if (code !== 0) assert.match(ended.stderr, /reset by peer/i);
        }
      }
    }
    run(`ip -n ${lab.net.client} route change default via 10.91.1.1`);
    lab.net.setOffload(true);
    const { counters, packets } = await lab.listed("resetListed");
    assert.deepEqual([counters.fine, counters.listed], [3, 6]);
    assert.ok(packets < 60, `${packets} packets: connections that were looked at are brought still`);
    await hasNoErrors();
  });

  test("load-balancer.ts spreads curl's connections, and goes on when a server is killed", async () => {
    const servers = ["10.91.2.11", "10.91.2.12", "10.91.2.13"];
    addAddresses(lab.net.server, ...servers.map((address) => `${address}/24`));
    const running = await Promise.all(
      servers.map((address) => lab.start(lab.net.server, node("who.mjs", address, "80"), /ready/)),
    );
    run(`ip -n ${lab.net.client} route add 192.0.2.80/32 via 10.91.1.1`);
    const isolate = ["--isolate", "balancer"];
    await load(
      "load-balancer.ts",
      "balance",
      "--hook",
      "prerouting",
      "--match",
      "ip daddr 192.0.2.80",
      ...isolate,
    );
    await load("load-balancer.ts", "restore", "--hook", "postrouting", "--match", "tcp sport 80", ...isolate);
    const ask = async (count: number): Promise<Map<string, number>> => {
      const counts = new Map<string, number>();
      for (let index = 0; index < count; index++) {
        const { stdout, code, stderr } = await client(
          "curl",
          "-sS",
          "--max-time",
          "10",
          "http://192.0.2.80/",
        );
        assert.equal(code, 0, stderr);
        const server = stdout.split(" at ")[1] ?? "";
        counts.set(server, (counts.get(server) ?? 0) + 1);
      }
      return counts;
    };
    assert.deepEqual([...(await ask(30)).keys()].sort(), servers);
    const [first] = running;
    if (first) await lab.end(first);
    // Refused at first: the client asks again after a second, and then nobody is sent there for a while.
    assert.deepEqual([...(await ask(20)).keys()].sort(), servers.slice(1));
    await hasNoErrors();
  });

  test("syn-guard.ts lets a client in through a flood that shuts it out otherwise", async () => {
    run(
      `ip netns exec ${lab.net.server} sysctl -qw net.ipv4.tcp_syncookies=0 net.ipv4.tcp_max_syn_backlog=1024`,
    );
    run(`ip netns exec ${lab.net.server} sysctl -qw net.core.somaxconn=1024`);
    run("ip route add 198.18.0.0/15 via 10.91.1.2 dev lan0");
    await lab.start(lab.net.server, node("who.mjs", SERVER[4], "8081", "1024"), /ready/);
    await lab.start(lab.net.server, node("who.mjs", SERVER[4], "8082", "1024"), /ready/);
    const ask = (port: number) => client("curl", "-sS", "--max-time", "6", `http://${SERVER[4]}:${port}/`);
    const flood = new Flood(lab.net.client);
    try {
      flood.start(8081);
      await pause(1000);
      assert.equal((await ask(8081)).code, 28, "the flood does no harm: the test proves nothing");
      await load(
        "syn-guard.ts",
        "guard",
        "--hook",
        "forward",
        "--match",
        "tcp dport 8082 ct mark & 0x2000 == 0",
      );
      flood.start(8082);
      await pause(1000);
      // As a stranger, who is asked to come again; then as somebody who is known.
      assert.equal((await ask(8082)).code, 0);
      assert.equal((await ask(8082)).code, 0);
    } finally {
      flood.close();
    }
    const { counters } = await lab.listed("guard");
    assert.ok((counters["strangers asked to come again"] ?? 0) > 1000, JSON.stringify(counters));
    // A burst of 200, 100 a second, and the client.
    assert.ok((counters.passed ?? 0) < 200 + 100 * 20, JSON.stringify(counters));
    await hasNoErrors();
  });
});

/** SYNs from addresses that nobody has, some thousands a second, from a host. */
class Flood {
  readonly #sender: LinuxPacketSender;
  readonly #random = new SeededRandom(Date.now());
  #port = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(host: string) {
    this.#sender = inNamespace(host, () => new LinuxPacketSender());
  }

  start(port: number): void {
    this.#port = port;
    this.#timer ??= setInterval(() => this.#send(), 20);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#sender.close();
  }

  #send(): void {
    const random = this.#random;
    const packets = Array.from({ length: 50 }, () => {
      const ip = ipv4.header({ source: 0xc612_0000 + random.below(0x2_0000), destination: SERVER[4] });
      const sourcePort = 1024 + random.below(60_000);
      const sequence = random.below(2 ** 32);
      return build(ip, tcp.header({ sourcePort, destinationPort: this.#port, syn: true, sequence })).parts;
    });
    this.#sender.sendRouted(packets);
  }
}
