/**
 * `metanet flow watch` and `run` on an interface: real TCP connections in a namespace of the test's own, seen live.
 * @module
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { CaptureReader } from "#wire/capture.ts";
import { type Running, start } from "../command-line/metanet-command.ts";
import { enterOwnNamespace, rootProblem } from "./own-namespace.ts";

interface Seen {
  readonly protocol: string;
  readonly client: string;
  readonly server: string;
  readonly clientState: string;
  readonly serverState: string;
  readonly packets: number;
  readonly bytes: number;
  readonly retransmissions: number;
}

interface Line {
  readonly open: number;
  readonly packets: number;
  readonly lost: number;
  readonly flows: readonly Seen[];
}

const SERVER_PORT = 8080;

const PROGRAM = `
import type { FlowEngine } from "metanet/flow";
export default (engine: FlowEngine) => {
  const monitor = engine.monitor({ filter: "tcp" });
  let bytes = 0;
  monitor.on("newData", "none", (flow, { sender }) => {
    for (let piece = flow.end(sender).read(); piece; piece = flow.end(sender).read()) bytes += piece.bytes?.length ?? 0;
  });
  monitor.on("established", "receiver", (flow) => console.log("established", flow.server.port));
  return () => console.log("bytes", bytes);
};
export const loops = (engine: FlowEngine) => {
  engine.monitor().on("packet", "sender", () => { console.log("in a loop"); for (;;); });
};
`;

describe("metanet flow on an interface", { skip: rootProblem() }, () => {
  let folder = "";
  let server: Server;
  const port = SERVER_PORT;
  const sockets = new Set<Socket>();
  const running = new Set<Running>();

  before(async () => {
    enterOwnNamespace();
    folder = mkdtempSync(join(tmpdir(), "mn-"));
    writeFileSync(join(folder, "program.ts"), PROGRAM);
    server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket.on("error", () => undefined));
      socket.on("data", (bytes) => socket.write(bytes));
    });
    // Below the ports of clients: of a connection whose start was not seen the lower port is taken for the server's.
    server.listen(SERVER_PORT, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => {
    for (const { process: child } of running) child.kill("SIGKILL");
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function metanet(...args: string[]): Running {
    const command = start(folder, ["flow", ...args]);
    running.add(command);
    void command.ended.then(() => running.delete(command));
    return command;
  }

  /** A connection that has sent something and got it back. */
  async function talk(text = "hello"): Promise<Socket> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    sockets.add(socket.on("error", () => undefined));
    socket.write(text);
    let seen = 0;
    while (seen < text.length) seen += ((await once(socket, "data"))[0] as Buffer).length;
    return socket;
  }

  const nameOf = (socket: Socket): string => `127.0.0.1:${socket.localPort}`;

  /** Waits until one of the lines to come says what is wanted. */
  function until<Found>(command: Running, find: (line: Line) => Found | undefined): Promise<Found> {
    return new Promise((resolve, reject) => {
      let rest = "";
      const read = (text: string): void => {
        const parts = (rest + text).split("\n");
        rest = parts.pop() ?? "";
        for (const part of parts) {
          // It may begin within a line.
          const found = part.startsWith("{") ? find(JSON.parse(part) as Line) : undefined;
          if (found === undefined) continue;
          command.process.stdout?.off("data", read);
          resolve(found);
        }
      };
      command.process.stdout?.on("data", read);
      void command.ended.then(({ err }) => reject(new Error(`it has ended: ${err}`)));
    });
  }

  /** Talks again and again until the command, which starts in its own time, has seen one of the connections. */
  async function talkUntil(
    command: Running,
    find: (line: Line, own: ReadonlySet<string>) => boolean,
  ): Promise<Line> {
    const own = new Set<string>();
    const timer = setInterval(() => void talk().then((socket) => own.add(nameOf(socket))), 200);
    try {
      return await until(command, (line) => (find(line, own) ? line : undefined));
    } finally {
      clearInterval(timer);
    }
  }

  for (const workers of ["1", "2"]) {
    it(`watch sees both ends' states with ${workers} workers`, async () => {
      const args = [
        "-i",
        "lo",
        "--filter",
        `tcp port ${port}`,
        "--json",
        "--interval",
        "100ms",
        "-w",
        workers,
      ];
      const command = metanet("watch", ...args);
      await talkUntil(command, ({ flows }, own) => flows.some(({ client }) => own.has(client)));
      const kept = await talk();
      const open = await seen(command, nameOf(kept), ({ packets }) => packets >= 5);
      assert.deepEqual(
        [open.protocol, open.server, open.clientState, open.serverState, open.retransmissions],
        ["tcp", `127.0.0.1:${port}`, "ESTABLISHED", "ESTABLISHED", 0],
      );
      kept.end();
      const half = await seen(command, nameOf(kept), ({ clientState }) => clientState === "FIN_WAIT_2");
      assert.equal(half.serverState, "CLOSE_WAIT");
      const reset = await talk();
      const name = nameOf(reset);
      reset.resetAndDestroy();
      const gone = await seen(command, name, ({ clientState }) => clientState === "CLOSED");
      assert.equal(gone.serverState, "CLOSED");
      await stop(command);
    });
  }

  async function seen(command: Running, own: string, isWanted: (flow: Seen) => boolean): Promise<Seen> {
    const found = (line: Line): Seen | undefined =>
      line.flows.find((flow) => flow.client === own && isWanted(flow));
    return await until(command, found);
  }

  /** Ctrl-C: it ends with a sum. */
  async function stop(command: Running): Promise<string> {
    command.process.kill("SIGINT");
    const { code, err, out } = await command.ended;
    assert.equal(code, 0, err);
    assert.match(out + err, /lo: [\d,]+ packets, [\d.]+ \w+, in [\d.]+ s; [\d,]+ flows, /);
    return out + err;
  }

  it("watch leaves out in the kernel what the filter does not let pass", async () => {
    const args = ["-i", "any", "--filter", "udp", "--json", "--interval", "100ms"];
    const command = metanet("watch", ...args);
    const { createSocket } = await import("node:dgram");
    const socket = createSocket("udp4");
    const timer = setInterval(() => socket.send("x", port, "127.0.0.1"), 100);
    try {
      await talk();
      const line = await until(command, (each) => (each.packets >= 5 ? each : undefined));
      assert.deepEqual(
        line.flows
          .map(({ protocol, clientState }) => [protocol, clientState])
          .filter(([name]) => name !== "icmp"),
        [["udp", ""]],
      );
    } finally {
      clearInterval(timer);
      socket.close();
    }
    command.process.kill("SIGINT");
    assert.equal((await command.ended).code, 0);
  });

  it("watch writes a table where nobody looks, and ends by itself with --for", async () => {
    const socket = await talk();
    const command = metanet("watch", "-i", "lo", "--interval", "200ms", "--for", "2s");
    const timer = setInterval(() => socket.write("again"), 50);
    const { code, out, err } = await command.ended;
    clearInterval(timer);
    assert.equal(code, 0, err);
    assert.match(out, /\nPROTO +CLIENT +STATE +SERVER +STATE +PACKETS +BYTES +BYTES\/S +AGAIN +AGE +IDLE\n/);
    assert.match(
      out,
      new RegExp(
        `\\ntcp +127\\.0\\.0\\.1:${socket.localPort} +ESTABLISHED +127\\.0\\.0\\.1:${port} +ESTABLISHED `,
      ),
    );
    assert.match(out, /\nlo: [\d,]+ packets, .* flows, \d+ of them open\n$/);
  });

  it("watch says that there is no such interface", async () => {
    for (const workers of ["1", "2"]) {
      const { code, err } = await metanet("watch", "-i", "nowhere0", "-w", workers).ended;
      assert.equal(code, 1);
      assert.match(err, /Cannot capture on nowhere0: there is no such interface here/);
    }
  });

  for (const workers of ["1", "2"]) {
    it(`run gives a program live flows with ${workers} workers until Ctrl-C`, async () => {
      const command = metanet("run", join(folder, "program.ts"), "-i", "lo", "-w", workers);
      await command.said("listening on lo");
      for (let count = 0; count < 8; count++) (await talk("12345678")).end();
      await command.said(`established ${port}`);
      command.process.kill("SIGINT");
      const { code, out, err } = await command.ended;
      assert.equal(code, 0, err);
      assert.equal(out.match(/^established/gm)?.length, 8);
      const bytes = [...out.matchAll(/^bytes (\d+)$/gm)].map(([, count]) => Number(count));
      assert.equal(bytes.length, Number(workers));
      assert.equal(
        bytes.reduce((sum, count) => sum + count, 0),
        8 * 16,
      );
    });
  }

  it("run --write keeps what it has heard", async () => {
    const file = join(folder, "heard.pcapng");
    const args = ["-i", "lo", "--filter", `tcp port ${port}`, "--write", file];
    const command = metanet("run", join(folder, "program.ts"), ...args);
    await command.said("listening on lo");
    const socket = await talk("to be kept");
    await command.said("established");
    command.process.kill("SIGINT");
    assert.equal((await command.ended).code, 0);
    const reader = new CaptureReader();
    reader.push(readFileSync(file));
    let count = 0;
    while (reader.next()) count++;
    assert.ok(count >= 7, `${count} packets`);
    socket.destroy();
  });

  it("run ends a program that does not come back", async () => {
    const command = metanet("run", join(folder, "program.ts"), "--function", "loops", "-i", "lo");
    await command.said("listening on lo");
    await talk();
    await command.said("in a loop");
    command.process.kill("SIGINT");
    const { code, err } = await command.ended;
    assert.equal(code, 1);
    assert.match(err, /it did not come to its end within 5 s; does a callback loop for ever\?/);
  });
});
