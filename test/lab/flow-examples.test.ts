import assert from "node:assert/strict";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { rootProblem } from "./own-namespace.ts";
import { addAddresses, ExampleLab } from "./packet-examples-lab.ts";
import { run, SERVER } from "./packet-queue-net.ts";

const EXAMPLES = join(import.meta.dirname, "../../example/flow");

/** Says back what it hears, with who asks, over TCP and UDP. */
const ECHO = `
import { createServer } from "node:net";
import { createSocket } from "node:dgram";
const [host, ...ports] = process.argv.slice(2);
for (const port of ports) {
  const server = createServer((socket) => {
    socket.on("error", (error) => console.log("server " + error.code));
    socket.on("data", (data) => socket.write(socket.remoteAddress + ":" + socket.remotePort + " " + data));
    socket.on("end", () => socket.end());
  });
  await new Promise((resolve) => server.listen({ host, port: Number(port) }, resolve));
  const udp = createSocket("udp4");
  udp.on("message", (data, from) => udp.send(from.address + ":" + from.port + " " + data, from.port, from.address));
  await new Promise((resolve) => udp.bind(Number(port), host, resolve));
}
console.log("ready");
`;

/** Says a word, prints the answer, and goes on for ever, with 'ticking' behind the first. */
const TICK = `
import { connect } from "node:net";
const [host, port] = process.argv.slice(2);
const socket = connect({ host, port: Number(port) });
socket.on("error", (error) => { console.log("client " + error.code); process.exit(0); });
socket.once("data", () => console.log("ticking"));
setInterval(() => socket.write("tick"), 50);
`;

/** Says 'hello' over TCP or UDP, prints the answer or why there is none. */
const ASK = `
import { connect } from "node:net";
import { createSocket } from "node:dgram";
const [transport, host, port, wait] = process.argv.slice(2);
setTimeout(() => { console.log("no answer"); process.exit(0); }, Number(wait));
const done = (what) => { console.log(String(what)); process.exit(0); };
if (transport === "tcp") {
  const socket = connect({ host, port: Number(port) }, () => socket.write("hello"));
  socket.on("data", done);
  socket.on("error", (error) => done(error.code));
} else {
  const socket = createSocket("udp4");
  socket.on("message", done);
  socket.send("hello", Number(port), host);
}
`;

/** How long an answer that comes may take, and how long one is waited for that must not; milliseconds. */
const PATIENCE = 20_000;
const SILENCE = 1500;

describe("examples of flow monitors, with real sockets", { skip: rootProblem() }, () => {
  let lab: ExampleLab;
  let loaded: string[] = [];

  before(() => {
    lab = new ExampleLab();
    for (const [name, text] of Object.entries({ echo: ECHO, tick: TICK, ask: ASK })) {
      writeFileSync(join(lab.folder, `${name}.mjs`), text);
    }
    // Copies: a test changes the rules.
    for (const name of readdirSync(EXAMPLES)) copyFileSync(join(EXAMPLES, name), join(lab.folder, name));
  });
  after(() => lab.close());
  afterEach(async () => {
    await lab.unload(...loaded);
    loaded = [];
  });

  async function load(file: string, functionName: string, ...words: string[]): Promise<void> {
    await lab.metanet("script", "load", join(lab.folder, file), "--function", functionName, ...words);
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

  async function ask(transport: "tcp" | "udp", host: string, port: number, wait = PATIENCE): Promise<string> {
    const words = node("ask.mjs", transport, host, String(port), String(wait));
    const { stdout, stderr } = await lab.run(lab.net.client, words, 60);
    return stdout.trim() || stderr;
  }

  test("stateful-firewall.ts lets in what its rules do, and cuts what they do no more after a reload", async () => {
    const server = await lab.start(lab.net.server, node("echo.mjs", SERVER[4], "81", "90"), /ready/);
    await load("stateful-firewall-inline.ts", "firewall", "--hook", "forward");
    assert.match(await ask("tcp", SERVER[4], 81), /hello$/);
    assert.equal(await ask("tcp", SERVER[4], 90, SILENCE), "no answer");
    assert.equal(await ask("udp", SERVER[4], 81, SILENCE), "no answer");
    let said = "";
    server.stdout?.on("data", (data: Buffer) => {
      said += data.toString();
    });
    const ticking = await lab.start(lab.net.client, node("tick.mjs", SERVER[4], "81"), /ticking/);
    ticking.stdout?.on("data", (data: Buffer) => {
      said += data.toString();
    });
    const rules = join(lab.folder, "stateful-firewall.ts");
    writeFileSync(rules, readFileSync(rules, "utf8").replace("80-89", "80"));
    await lab.metanet("script", "reload", "firewall");
    const deadline = Date.now() + PATIENCE;
    while (!(said.includes("client ECONNRESET") && said.includes("server ECONNRESET"))) {
      assert.ok(Date.now() < deadline, `both ends are told; heard: ${said}`);
      await pause(20);
    }
    await hasNoErrors();
    await lab.end(server);
  });

  test("nat.ts gives clients of one network one address, over TCP, UDP and echoes", async () => {
    run("ip address add 192.168.0.1/24 dev lan0");
    run("ip address add 203.0.113.1/24 dev wan0");
    addAddresses(lab.net.client, "192.168.0.2/24", "192.168.0.3/24");
    addAddresses(lab.net.server, "203.0.113.7/24");
    run(`ip -n ${lab.net.client} route add 203.0.113.0/24 via 192.168.0.1 src 192.168.0.2`);
    const server = await lab.start(lab.net.server, node("echo.mjs", "203.0.113.7", "7"), /ready/);
    const isolate = ["--isolate", "nat"];
    await load("nat-inline.ts", "outgoing", "--hook", "postrouting", "--out", "wan0", ...isolate);
    await load("nat-inline.ts", "incoming", "--hook", "prerouting", "--in", "wan0", ...isolate);
    assert.match(await ask("tcp", "203.0.113.7", 7), /^203\.0\.113\.1:\d+ hello$/);
    assert.match(await ask("udp", "203.0.113.7", 7), /^203\.0\.113\.1:\d+ hello$/);
    for (const source of ["192.168.0.2", "192.168.0.3"]) {
      const words = ["ping", "-I", source, "-c", "2", "-i", "0.2", "-W", "10", "203.0.113.7"];
      const { code, stdout } = await lab.run(lab.net.client, words, 60);
      assert.equal(code, 0, stdout);
    }
    await hasNoErrors();
    await lab.end(server);
  });
});
