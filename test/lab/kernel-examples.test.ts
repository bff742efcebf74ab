/**
 * The examples of example/kernel in this machine's kernel, loaded by the command line as their README says, under real
 * traffic with checksums and segments left to the hardware and not.
 * @module
 */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { nameHash } from "../../example/kernel/dns-guard.ts";
import { kernelProblem } from "../support/kernel-problem.ts";
import { rootProblem } from "./own-namespace.ts";
import { addAddresses, ExampleLab } from "./packet-examples-lab.ts";
import { run, SERVER } from "./packet-queue-net.ts";

const PUBLIC = "192.0.2.1";
/** The router, to the client. */
const ROUTER = "10.91.1.1";

/** An HTTP server that says who asks and where, gives as many bytes as the path says, and takes as many as come. */
const WHO = `
import { createServer } from "node:http";
const [host, port] = process.argv.slice(2);
createServer((request, response) => {
  const size = Number(request.url.slice(1));
  if (size > 0) return void response.end(Buffer.alloc(size, "0123456789abcdef"));
  let taken = 0;
  request.on("data", (data) => (taken += data.length));
  request.on("end", () => response.end(request.socket.remoteAddress + " at " + host + " took " + taken));
}).listen({ host, port: Number(port), backlog: 1000 }, () => console.log("ready"));
`;

/** Sends each datagram back, with who sent it. */
const ECHO = `
import { createSocket } from "node:dgram";
const socket = createSocket(process.argv[2].includes(":") ? "udp6" : "udp4");
socket.on("message", (data, from) => socket.send(data + " " + from.address, from.port, from.address));
socket.bind(Number(process.argv[3]), process.argv[2], () => console.log("ready"));
`;

/** Sends datagrams and prints the answers, sorted. */
const SAY = `
import { createSocket } from "node:dgram";
const [address, port, ...texts] = process.argv.slice(2);
const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
const seen = [];
const end = () => { console.log(seen.sort().join("\\n")); socket.close(); };
const timer = setTimeout(end, 15_000);
socket.on("message", (data) => {
  if (seen.push(String(data)) < texts.length) return;
  clearTimeout(timer);
  end();
});
for (const text of texts) await new Promise((sent) => socket.send(text, Number(port), address, sent));
`;

/** Opens many connections at once, and prints how many were answered by each host, as JSON. */
const MANY = `
import { connect } from "node:net";
const [host, port, count] = process.argv.slice(2);
const one = () => new Promise((resolve) => {
  let text = "";
  const socket = connect({ host, port: Number(port) }, () => socket.write("GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"));
  socket.setTimeout(20_000, () => socket.destroy());
  socket.on("data", (data) => (text += data));
  socket.on("error", () => undefined);
  socket.on("close", () => resolve(/ at (\\S+) took/.exec(text)?.[1] ?? "nobody"));
});
const seen = {};
for (const answer of await Promise.all(Array.from({ length: Number(count) }, one))) seen[answer] = (seen[answer] ?? 0) + 1;
console.log(JSON.stringify(seen));
`;

/** Tries to connect so many times, one after the other, and prints how many were let in. */
const TRY = `
import { connect } from "node:net";
const [host, port, count, wait] = process.argv.slice(2);
let inside = 0;
await Promise.all(Array.from({ length: Number(count) }, () => new Promise((resolve) => {
  const socket = connect({ host, port: Number(port) }, () => { inside++; socket.destroy(); });
  socket.setTimeout(Number(wait), () => socket.destroy());
  socket.on("error", () => undefined);
  socket.on("close", resolve);
})));
console.log(inside);
`;

/** Asks a DNS server for a name. */
const ASK = `
import { Resolver } from "node:dns/promises";
const [server, name, type, timeout] = process.argv.slice(2);
const resolver = new Resolver({ timeout: Number(timeout), tries: 2 });
resolver.setServers([server]);
console.log(await resolver.resolve(name, type).then((all) => all.join(" "), (error) => error.code));
`;

/** Sends a datagram to each port, one after the other. */
const KNOCK = `
import { createSocket } from "node:dgram";
const [address, ...ports] = process.argv.slice(2);
const socket = createSocket("udp4");
for (const port of ports) await new Promise((sent) => socket.send("knock", Number(port), address, sent));
socket.close();
`;

const PROGRAMS = { who: WHO, echo: ECHO, say: SAY, many: MANY, try: TRY, ask: ASK, knock: KNOCK };

describe("examples of packet scripts in the kernel, with real programs", {
  skip: rootProblem() || kernelProblem(),
}, () => {
  let lab: ExampleLab;
  let loaded: string[] = [];

  before(() => {
    lab = new ExampleLab();
    for (const [name, text] of Object.entries(PROGRAMS)) {
      writeFileSync(join(lab.folder, `${name}.mjs`), text);
    }
  });
  after(() => lab.close());
  afterEach(async () => {
    await lab.unload(...loaded);
    loaded = [];
  });

  async function load(file: string, functionName: string, ...words: string[]): Promise<void> {
    await lab.load(`../kernel/${file}`, functionName, "--engine", "kernel", ...words);
    loaded.push(functionName);
  }

  async function counters(name: string): Promise<Readonly<Record<string, number>>> {
    const { errors, faults, counters: counted } = await lab.listed(name);
    assert.equal(errors, 0, JSON.stringify(faults));
    return counted;
  }

  function node(file: string, ...words: readonly string[]): string[] {
    return [process.execPath, join(lab.folder, `${file}.mjs`), ...words];
  }

  async function client(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await lab.run(lab.net.client, words);
    assert.equal(code, 0, `${words.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  async function serve(address: string, port = 80): Promise<ReturnType<ExampleLab["start"]>> {
    return lab.start(lab.net.server, node("who", address, String(port)), /ready/);
  }

  const curl = (...words: string[]): Promise<string> => client("curl", "-sSg", "--max-time", "20", ...words);

  async function writeMap(name: string, key: number, value: number): Promise<void> {
    const words = [`name=${name}`, `key=${key}`, `value=${value}`];
    await lab.metanet("call", "packetd:/packetd/map/write", ...words);
  }

  /** Packets that were received with a wrong checksum, anywhere. */
  async function checksumErrors(): Promise<string> {
    const said: string[] = [];
    for (const host of [lab.net.client, lab.net.server]) {
      const { stdout } = await lab.run(host, ["nstat", "-asz"]);
      said.push(...stdout.split("\n").filter((line) => /CsumErrors\s+[1-9]/.test(line)));
    }
    return said.join("\n");
  }

  test("nat.ts: TCP, UDP, pings and many connections, whoever completes checksums", async () => {
    run(`ip address add ${PUBLIC}/32 dev wan0`);
    await serve(SERVER[4]);
    await lab.start(lab.net.server, node("echo", SERVER[4], "5300"), /ready/);
    await load("nat.ts", "leave", "--hook", "postrouting", "--out", "wan0");
    await load("nat.ts", "enter", "--hook", "prerouting", "--in", "wan0");
    const payload = join(lab.folder, "payload");
    writeFileSync(payload, Buffer.alloc(3_000_000, "some bytes that come in order, "));
    const settings: [name: string, set: () => void][] = [
      ["the hardware does", () => lab.net.setOffload(true)],
      ["the sender does", () => lab.net.setOffload(false)],
      // What the client leaves open is completed behind the program.
      ["the router does", () => run(`ip netns exec ${lab.net.client} ethtool -K eth0 tx on tso on gso on`)],
    ];
    for (const [name, set] of settings) {
      set();
      assert.equal(await curl(`http://${SERVER[4]}/`), `${PUBLIC} at ${SERVER[4]} took 0`, name);
      const sent = await curl("-T", payload, `http://${SERVER[4]}/`);
      assert.equal(sent, `${PUBLIC} at ${SERVER[4]} took 3000000`, name);
      const got = await curl(`http://${SERVER[4]}/5000000`);
      assert.equal(got, "0123456789abcdef".repeat(312_500), name);
      const said = await client(...node("say", SERVER[4], "5300", "one", "x".repeat(1400), "three"));
      assert.equal(
        said,
        [`one ${PUBLIC}`, `three ${PUBLIC}`, `${"x".repeat(1400)} ${PUBLIC}`].join("\n"),
        name,
      );
      await client("ping", "-c", "3", "-i", "0.2", "-W", "2", SERVER[4]);
      assert.deepEqual(JSON.parse(await client(...node("many", SERVER[4], "80", "300"))), {
        [SERVER[4]]: 300,
      });
      assert.equal(await checksumErrors(), "", name);
    }
    lab.net.setOffload(true);
    const { translations = 0 } = await counters("leave");
    assert.ok(translations >= 3 * 300, `${translations} translations`);
    await counters("enter");
    run(`ip address delete ${PUBLIC}/32 dev wan0`);
  });

  test("syn-guard.ts: a source has 40 connections at once, over IPv4 and IPv6", async () => {
    for (const version of [4, 6] as const) await serve(SERVER[version], 81);
    await load("syn-guard.ts", "guard", "--hook", "prerouting", "--in", "lan0");
    const started = Date.now();
    for (const version of [4, 6] as const) {
      const inside = Number(await client(...node("try", SERVER[version], "81", "150", "600")));
      assert.ok(inside > 0 && inside < 150, `${inside} of IPv${version}`);
    }
    const { passed = 0, refused = 0 } = await counters("guard");
    // 20 a second more come in while they are tried.
    const most = 2 * 41 + Math.ceil((Date.now() - started) / 50);
    assert.ok(passed >= 80 && passed <= most, `${passed} passed, ${most} at most`);
    assert.ok(refused > 0);
  });

  test("dns-guard.ts: a name server is asked, but not about ANY and not about blocked names", async () => {
    await lab.start(lab.net.server, [
      ..."dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --no-resolv --no-hosts".split(" "),
      ..."--bind-interfaces --user=root --address=/example/192.0.2.98".split(" "),
      `--listen-address=${SERVER[4]}`,
    ]);
    await lab.listening(lab.net.server, 53, "udp");
    await load("dns-guard.ts", "guard", "--hook", "forward");
    const ask = (name: string, type: string, timeout: number): Promise<string> =>
      client(...node("ask", SERVER[4], name, type, String(timeout)));
    assert.equal(await ask("ads.example", "A", 5000), "192.0.2.98");
    await writeMap("dns-blocked", nameHash("ads.example"), 1);
    assert.equal(await ask("www.example", "A", 5000), "192.0.2.98");
    assert.equal(await ask("ADS.example", "A", 500), "ETIMEOUT");
    assert.equal(await ask("www.example", "ANY", 500), "ETIMEOUT");
    const counted = await counters("guard");
    assert.ok(
      (counted["blocked names"] ?? 0) > 0 && (counted["questions for ANY"] ?? 0) > 0,
      JSON.stringify(counted),
    );
  });

  test("knocking.ts: a door opens to who has knocked", async () => {
    const door = createServer((socket) => socket.destroy()).listen(22, ROUTER);
    try {
      await once(door, "listening");
      await load("knocking.ts", "knock", "--hook", "input");
      const isOpen = async (wait: number): Promise<boolean> =>
        (await client(...node("try", ROUTER, "22", "1", String(wait)))) === "1";
      assert.equal(await isOpen(500), false);
      await client(...node("knock", ROUTER, "7001", "9003", "8002"));
      assert.equal(await isOpen(500), false);
      await client(...node("knock", ROUTER, "7001", "8002", "9003"));
      assert.equal(await isOpen(10_000), true);
      assert.equal((await counters("knock")).opened, 1);
    } finally {
      door.close();
    }
  });

  test("sampler.ts: few connections are watched in user space, all packets of them on both sides", async () => {
    await serve(SERVER[4], 82);
    const names = { sample: "lan0", "sample-back": "wan0" };
    for (const [name, side] of Object.entries(names)) {
      const place = ["--hook", "forward", "--in", side, "--engine", "kernel", "--name", name];
      await lab.load("../kernel/sampler.ts", "sample", ...place);
      loaded.push(name);
    }
    let [there, back] = [await lab.listed("sample"), await lab.listed("sample-back")];
    for (let round = 0; round < 20 && (there.counters.sampled ?? 0) === 0; round++) {
      await client(...node("many", SERVER[4], "82", "300"));
      [there, back] = [await lab.listed("sample"), await lab.listed("sample-back")];
    }
    const { sampled = 0 } = there.counters;
    assert.ok(sampled > 0 && sampled < there.packets / 20, `${sampled} of ${there.packets}`);
    assert.ok((back.counters.sampled ?? 0) > 0);
    for (const { errors, faults, handed, counters: counted } of [there, back]) {
      assert.deepEqual([errors, faults, handed], [0, [], counted.sampled]);
    }
  });

  test("load-balancer.ts: connections are spread, and none are lost when a server is taken out", async () => {
    const servers = [11, 12, 13, 14].map((last) => `10.91.2.${last}`);
    addAddresses(lab.net.server, ...servers.map((one) => `${one}/24`));
    const running = await Promise.all(servers.map((one) => serve(one)));
    await load("load-balancer.ts", "balance", "--hook", "prerouting", "--in", "lan0");
    await load("load-balancer.ts", "restore", "--hook", "postrouting", "--out", "lan0");
    const many = async (): Promise<Record<string, number>> =>
      JSON.parse(await client(...node("many", "192.0.2.80", "80", "200")));
    for (const isOn of [true, false]) {
      lab.net.setOffload(isOn);
      const seen = await many();
      assert.deepEqual(Object.keys(seen).sort(), servers, JSON.stringify(seen));
      const bytes = await curl("http://192.0.2.80/5000000");
      assert.equal(bytes.length, 5_000_000);
      assert.equal(await checksumErrors(), "");
    }
    lab.net.setOffload(true);
    await writeMap("balancer-down", 1, 1);
    await lab.end(running[1] as ChildProcess);
    const left = await many();
    assert.deepEqual(Object.keys(left).sort(), [servers[0], servers[2], servers[3]], JSON.stringify(left));
    await counters("balance");
    await counters("restore");
  });
});
