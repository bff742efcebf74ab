/**
 * `metanet flow replay`, `follow`, `run`, and `watch` of captures, as their users run them.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { readCapture } from "#app/capture-file.ts";
import { PcapWriter } from "#wire/pcap-writer.ts";
import { CAPTURES, capturesSkipped } from "../support/captures.ts";
import { conversation } from "../support/conversation.ts";
import { icmpEcho, udpTalk } from "../support/conversation-other.ts";
import { CONVERSATION_EPOCH, type ConversationPacket } from "../support/conversation-packet.ts";
import { LAUNCHER, type Outcome, run } from "./metanet-command.ts";

const REQUEST = "GET / HTTP/1.0\r\n\r\n";
const ANSWER = "HTTP/1.0 200 OK\r\n\r\n\u001b[31mred\u0000";

let folder = "";
const inFolder = (name: string): string => join(folder, name);
const flow = (...args: string[]): Promise<Outcome> => run(folder, ["flow", ...args]);
const lines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

function captureOf(packets: readonly ConversationPacket[]): Uint8Array {
  const writer = new PcapWriter({ linkType: 1 });
  for (const packet of [...packets].sort((one, two) => one.time - two.time)) writer.write(packet);
  return writer.take();
}

/** A page, a question of the DNS, a port that is closed, a stream with a hole, IPv6, an echo, and 100 more connections. */
function packets(): ConversationPacket[] {
  const epoch = CONVERSATION_EPOCH;
  const page = conversation({ client: "10.0.0.1:1025", server: "10.0.0.2:80" });
  const name = udpTalk({ client: "10.0.0.1:1026", epoch: epoch + 20 });
  const closed = conversation({ client: "10.0.0.3:1027", server: "10.0.0.2:81", epoch: epoch + 30 });
  const hole = conversation({ client: "10.0.0.4:1028", server: "10.0.0.2:82", epoch: epoch + 40 });
  const six = conversation({ client: "[2001:db8::1]:1029", server: "[2001:db8::2]:80", epoch: epoch + 60 });
  const echo = icmpEcho({ client: "10.0.0.5", server: "10.0.0.2", epoch: epoch + 80 });
  const many = Array.from({ length: 100 }, (_, index) => {
    const talk = conversation({
      client: `10.0.1.${index}:2000`,
      server: "10.0.2.1:443",
      epoch: epoch + 100 + index,
    });
    return [...talk.handshake(), talk.client("x".repeat(index)), ...talk.close()];
  });
  return [
    ...[...page.handshake(), page.client(REQUEST), page.server(ANSWER), ...page.close()],
    ...[name.client("?"), name.server("!!")],
    ...[closed.syn(), closed.reset("server", { flags: "RA" })],
    ...[
      ...hole.handshake(),
      hole.client("12345"),
      hole.miss("client", 5).client("abcde"),
      hole.ack("server"),
      ...hole.close(),
    ],
    ...[...six.handshake(), six.client("six"), six.reset("server")],
    ...[echo.request("e"), echo.reply("e")],
    ...many.flat(),
  ];
}

const PROGRAM = `
import { type FlowEngine, type Flow } from "metanet/flow";
import { port } from "./port.ts";

export default (engine: FlowEngine) => {
  const web = engine.monitor<{ bytes: number }>({ name: "web", filter: \`tcp port \${port}\` });
  web.on("connectionStart", "sender", (flow) => { flow.context = { bytes: 0 }; });
  web.on("newData", "none", (flow, { sender }) => {
    for (let piece = flow.end(sender).read(); piece; piece = flow.end(sender).read()) flow.context.bytes += piece.bytes?.length ?? 0;
  });
  web.on("connectionEnd", "none", (flow) => console.log("page", flow.context.bytes));
  return () => console.log("over");
};
export const throws = (engine: FlowEngine) => {
  engine.monitor({ name: "bad" }).on("connectionStart", "sender", (flow: Flow) => {
    if (flow.protocol === 6) throw new TypeError("no");
  });
};
export const begins = () => { throw new RangeError("not even that"); };
export const ends = () => () => { throw new RangeError("at last"); };
export const drops = (engine: FlowEngine) => {
  engine.monitor({ filter: "tcp" }).on("packet", "sender", (flow) => flow.drop());
};
export const filters = (engine: FlowEngine) => { engine.monitor({ filter: "tpc" }); };
`;

describe("metanet flow", { concurrency: 2 }, () => {
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "mn-"));
    writeFileSync(inFolder("in.pcap"), captureOf(packets()));
    writeFileSync(inFolder("in.pcap.gz"), gzipSync(readFileSync(inFolder("in.pcap"))));
    writeFileSync(inFolder("cut.pcap"), readFileSync(inFolder("in.pcap")).subarray(0, -3));
    writeFileSync(inFolder("monitors.ts"), PROGRAM);
    writeFileSync(inFolder("port.ts"), "export const port: number = 80;\n");
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const usage: [args: string, code: number, said: RegExp][] = [
    ["replay", 2, /missing required argument 'FILE'/],
    ["replay in.pcap --policy plan9", 2, /Cannot use --policy plan9: it takes linux or windows/],
    ["replay in.pcap --midstream never", 2, /it takes guess or on or off/],
    ["replay in.pcap --checksums no", 2, /it takes auto or verify or trust/],
    ["replay in.pcap --flows-max 0", 2, /not a whole number from 1/],
    ["replay in.pcap --workers 65", 2, /not a whole number from 1 to 64/],
    ["replay - --workers 2", 2, /each worker reads all of it/],
    ["replay nowhere.pcap", 1, /nowhere\.pcap: there is no such file/],
    ["replay nowhere.pcap --workers 2", 1, /nowhere\.pcap: there is no such file/],
    ["replay monitors.ts", 1, /neither pcap nor pcapng/],
    ["replay in.pcap --filter tpc", 1, /at column 1: "tpc" is not known.*did you mean tcp\?/],
    ["replay in.pcap --json --workers 2 --filter tpc", 1, /\{"error":\{"code":"filter",/],
    ["follow in.pcap", 2, /say which flow, by --stream N or by --flow/],
    ["follow in.pcap --stream 1 --flow 10.0.0.1:1-10.0.0.2:2", 2, /say which flow/],
    ["follow in.pcap --stream x", 2, /it is not a number such as 3, tcp:3 or udp:0/],
    ["follow in.pcap --flow 10.0.0.1-10.0.0.2", 2, /it is not like 10\.0\.0\.1:1025-10\.0\.0\.2:80/],
    ["follow in.pcap --stream 0 --from nobody", 2, /it takes both or client or server/],
    ["follow in.pcap --stream 0 --gaps guess", 2, /it takes skip or fill or mark/],
    ["follow in.pcap --stream 104", 3, /in\.pcap has 104 flows of tcp, numbered from 0/],
    ["follow in.pcap --stream udp:1", 3, /has 1 flows of udp/],
    ["follow in.pcap --flow 10.0.0.1:1-10.0.0.2:2", 3, /no flow between 10\.0\.0\.1:1 and 10\.0\.0\.2:2/],
    ["watch in.pcap --interface lo", 2, /are for interfaces, and a capture is given/],
    ["watch in.pcap --interval 10ms", 2, /at least 100ms/],
    ["watch in.pcap --sort name", 2, /it takes rate or bytes or packets or age/],
    ["run monitors.ts", 2, /name a capture, or an interface with --interface/],
    ["run monitors.ts in.pcap -i lo", 2, /name a capture, or an interface/],
    ["run monitors.ts in.pcap --workers 2 --write x.pcapng", 2, /the packets would not be in order/],
    ["run monitors.ts in.pcap --for 1s", 2, /it ends by itself/],
    ["run monitors.ts in.pcap --function thrown", 1, /no export of that name; did you mean throws\?/],
    ["run nowhere.ts in.pcap", 1, /there is no such file/],
    ["run monitors.ts in.pcap --function filters", 1, /monitors\.ts:24:\d+: FilterError.*did you mean tcp\?/],
    ["run monitors.ts in.pcap --function begins", 1, /monitors\.ts:19:\d+: RangeError: not even that/],
    ["run monitors.ts in.pcap --function ends", 1, /its last function throws, at monitors\.ts:20:/],
    ["run monitors.ts in.pcap --filter tpc", 1, /"tpc" is not known/],
    ["run monitors.ts in.pcap --write /nowhere/x.pcapng", 1, /Cannot write \/nowhere\/x\.pcapng/],
  ];
  for (const [args, code, said] of usage) {
    it(`${args} exits with ${code}`, async () => {
      const words = args
        .split(" ")
        .map((word) => (/^(in|nowhere|monitors)\.(pcap|ts)$/.test(word) ? inFolder(word) : word));
      const outcome = await flow(...words);
      assert.equal(outcome.code, code, outcome.out + outcome.err);
      assert.match(outcome.out + outcome.err, said);
    });
  }

  it("replay shows a table and a sum", async () => {
    const { code, out, err } = await flow("replay", inFolder("in.pcap"));
    assert.equal(code, 0, err);
    const rows = out.split("\n");
    assert.match(
      rows[0] ?? "",
      /^STREAM +START +SECONDS +CLIENT +SERVER +STATE +SENT +RECEIVED +PACKETS +HISTORY$/,
    );
    const row = (name: string): string => rows.find((line) => line.startsWith(`${name} `)) ?? "";
    assert.match(
      row("tcp 0"),
      /22:13:20\.000 +0\.006 +10\.0\.0\.1:1025 +10\.0\.0\.2:80 +SF +18 +28 +5\/3 +ShADdFf/,
    );
    assert.match(row("udp 0"), / 10\.0\.0\.1:1026 +10\.0\.0\.2:53 +SF +1 +2 +1\/1 +Dd$/);
    assert.match(row("tcp 1"), / REJ +0 +0 +1\/1 +Sr$/);
    assert.match(row("tcp 3"), / \[2001:db8::1\]:1029 +\[2001:db8::2\]:80 +RSTR +3 +0 +3\/2 +ShADr$/);
    assert.match(out, /\n- .* 10\.0\.0\.5 +10\.0\.0\.2 +icmp 8\/0 +1 +1 +1\/1 +-\n/);
    assert.match(
      out,
      /\n106 flows in \d+ packets, [\d.]+ kB, 0\.\d+ s of the capture\n {2}protocols {2}tcp 104, udp 1, icmp 1\n/,
    );
    assert.match(out, /\n {2}missing {4}5 B\n$/);
    assert.equal(err, "");
  });

  it("replay says so when headers were cut off by the snap length", async () => {
    const talk = conversation({ client: "[2001:db8::1]:1", server: "[2001:db8::2]:2" });
    const writer = new PcapWriter({ linkType: 1, snapLengthBytes: 68 });
    for (const { seconds, nanoseconds, bytes } of talk.handshake()) {
      writer.write({
        seconds,
        nanoseconds,
        bytes,
        offset: 0,
        capturedBytes: 68,
        originalBytes: bytes.length,
      });
    }
    writeFileSync(inFolder("snapped.pcap"), writer.take());
    const table = await flow("replay", inFolder("snapped.pcap"));
    assert.match(
      table.out,
      /^0 flows in 3 packets, .*\n {2}malformed {2}3\n {2}cut short {2}3 packets, of some not/,
    );
    assert.equal(table.err, "");
    const json = await flow("replay", "--json", inFolder("snapped.pcap"));
    assert.equal(json.out, "");
    assert.equal(
      json.err,
      "metanet: Warning: 3 packets malformed or without whole headers left out; 3 packets were cut short by the capture\n",
    );
  });

  it("replay --json gives Zeek's names, one flow a line, in the order of their ends", async () => {
    const { code, out } = await flow("replay", inFolder("in.pcap"), "--json");
    assert.equal(code, 0);
    const records = lines(out);
    assert.equal(records.length, 106);
    const [first] = records.filter(({ stream, proto }) => stream === 0 && proto === "tcp");
    assert.deepEqual(Object.keys(first ?? {}), [
      ...["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "duration", "orig_bytes"],
      ...["resp_bytes", "conn_state", "missed_bytes", "history", "orig_pkts", "orig_ip_bytes", "resp_pkts"],
      ...["resp_ip_bytes", "ip_proto", "end", "stream"],
    ]);
    const echo = records.find(({ proto }) => proto === "icmp");
    assert.equal("stream" in (echo ?? {}), false);
    assert.deepEqual([echo?.["id.orig_p"], echo?.["id.resp_p"], echo?.conn_state], [8, 0, "OTH"]);
    const streams = records.filter(({ proto }) => proto === "tcp").map(({ stream }) => stream);
    assert.deepEqual(
      streams.toSorted((one, two) => Number(one) - Number(two)),
      Array.from({ length: 104 }, (_, index) => index),
    );
    assert.equal(new Set(records.map(({ uid }) => uid)).size, 106);
  });

  it("replay gives the same flows whoever reads, through whatever", async () => {
    const sorted = (text: string): string[] => text.trimEnd().split("\n").sort();
    const one = sorted((await flow("replay", inFolder("in.pcap"), "--json")).out);
    for (const workers of ["2", "3"]) {
      const { code, out, err } = await flow("replay", inFolder("in.pcap"), "--json", "-w", workers);
      assert.equal(code, 0, err);
      assert.deepEqual(sorted(out), one, `${workers} workers`);
    }
    assert.deepEqual(sorted((await flow("replay", inFolder("in.pcap.gz"), "--json")).out), one);
    const command = `cat "$2" | "$0" "$1" flow replay - --json`;
    const args = ["-c", command, process.execPath, LAUNCHER, inFolder("in.pcap.gz")];
    assert.deepEqual(sorted(spawnSync("sh", args, { encoding: "utf8" }).stdout), one);
  });

  it("replay --filter leaves numbers as they are, and says the same with workers", async () => {
    const only = async (...more: string[]): Promise<unknown[]> => {
      const { out } = await flow(
        "replay",
        inFolder("in.pcap"),
        "--json",
        "--filter",
        "port 81 or port 82",
        ...more,
      );
      return lines(out).map(({ stream, conn_state, missed_bytes }) => [stream, conn_state, missed_bytes]);
    };
    const expected = [
      [1, "REJ", 0],
      [2, "SF", 5],
    ];
    assert.deepEqual((await only()).toSorted(), expected);
    assert.deepEqual((await only("-w", "2")).toSorted(), expected);
  });

  it("replay --midstream off leaves out what did not begin", async () => {
    const talk = conversation();
    writeFileSync(
      inFolder("middle.pcap"),
      captureOf([talk.client("a", { at: 9 }), talk.server("b", { at: 9 })]),
    );
    assert.equal(lines((await flow("replay", inFolder("middle.pcap"), "--json")).out).length, 1);
    const off = await flow("replay", inFolder("middle.pcap"), "--midstream", "off");
    assert.match(off.out, /^0 flows in 2 packets.*\n {2}no flow {4}2\n$/);
  });

  it("replay says that a capture ends too early, and tells all that was in it", async () => {
    for (const more of [[], ["-w", "2"]]) {
      const { code, out, err } = await flow("replay", inFolder("cut.pcap"), "--json", ...more);
      assert.equal(code, 0);
      assert.equal(lines(out).length, 106);
      assert.match(
        err,
        /^metanet: Warning: Cannot read .*cut\.pcap: byte \d+: the file ends inside of a record; the packets/,
      );
    }
  });

  it("replay ends quietly when nobody reads on", () => {
    for (const more of ["", "-w 2"]) {
      const command = `"$0" "$1" flow replay "$2" --json ${more} | true`;
      const args = ["-c", command, process.execPath, LAUNCHER, inFolder("in.pcap")];
      assert.equal(spawnSync("sh", args, { encoding: "utf8" }).stderr, "");
    }
  });

  const followed: [args: string, code: number, out: string][] = [
    ["--stream 0", 0, REQUEST + ANSWER],
    ["--stream 0 --from client", 0, REQUEST],
    ["--stream tcp:0 --from server --acked", 0, ANSWER],
    ["--stream udp:0", 0, "?!!"],
    ["--flow 10.0.0.2:80-10.0.0.1:1025 --from client", 0, REQUEST],
    ["--flow [2001:DB8::1]:1029-[2001:db8:0::2]:80", 0, "six"],
    ["--stream 2", 1, "12345abcde"],
    ["--stream 2 --from server", 0, ""],
    ["--stream 2 --gaps fill", 1, "12345\0\0\0\0\0abcde"],
    ["--stream 2 --gaps mark", 1, "12345\n[5 bytes of the client are missing]\nabcde"],
    [
      "--stream 2 --hex",
      1,
      `client  00000000  31 32 33 34 35           ${" ".repeat(25)}|12345|\n` +
        "client  00000005  5 bytes are missing\n" +
        `client  0000000a  61 62 63 64 65           ${" ".repeat(25)}|abcde|\n`,
    ],
  ];
  for (const [args, code, expected] of followed) {
    it(`follow ${args} gives the bytes`, async () => {
      const outcome = await flow("follow", inFolder("in.pcap"), ...args.split(" "));
      assert.equal(outcome.code, code, outcome.err);
      assert.equal(outcome.out, expected);
      assert.equal(
        outcome.err,
        code === 0 ? "" : "metanet: 5 bytes of the client are missing, from offset 5 on\n",
      );
    });
  }

  it("follow --output writes a file, and tells of missing bytes at the very end", async () => {
    const talk = conversation();
    const cut = [...talk.handshake(), talk.client("begin"), talk.miss("client", 9).ack("server")];
    writeFileSync(inFolder("end.pcap"), captureOf(cut));
    const file = inFolder("end.bin");
    const args = ["--stream", "0", "--gaps", "fill", "--output", file];
    const { code, err } = await flow("follow", inFolder("end.pcap"), ...args);
    assert.equal(code, 1);
    assert.match(err, /9 bytes of the client are missing, from offset 5 on/);
    assert.equal(readFileSync(file, "latin1"), `begin${"\0".repeat(9)}`);
  });

  it("run gives the program its flows, and its last word", async () => {
    const { code, out, err } = await flow("run", inFolder("monitors.ts"), inFolder("in.pcap"));
    assert.equal(code, 0, err);
    assert.deepEqual(out.split("\n").sort(), ["", "over", "page 3", "page 46"]);
    assert.match(err, /^metanet: \d+ packets, 106 flows\n$/);
    const shared = await flow("run", inFolder("monitors.ts"), inFolder("in.pcap"), "--workers", "2");
    assert.equal(shared.code, 0, shared.err);
    assert.deepEqual(shared.out.split("\n").sort(), ["", "over", "over", "page 3", "page 46"]);
    assert.equal(shared.err, err);
  });

  it("run tells what callbacks throw, where, and how often", async () => {
    for (const more of [[], ["-w", "2"]]) {
      const args = ["--function", "throws", ...more];
      const { code, err } = await flow("run", inFolder("monitors.ts"), inFolder("in.pcap"), ...args);
      assert.equal(code, 1);
      assert.match(err, /^metanet: bad at monitors\.ts:16:\d+: TypeError: no\n/);
      assert.match(err, /\nmetanet: 104 × bad at monitors\.ts:16:\d+: TypeError: no\n/);
      assert.match(err, /106 flows, 104 errors\n$/);
    }
  });

  it("run --write keeps what nobody drops, and the packets that were not asked for", async () => {
    const out = inFolder("left.pcapng");
    const args = ["--function", "drops", "--filter", "not port 443", "--write", out];
    const { code, err } = await flow("run", inFolder("monitors.ts"), inFolder("in.pcap"), ...args);
    assert.equal(code, 0, err);
    const capture = await readCapture(out);
    assert.equal(capture.format, "pcapng");
    await capture.close();
    const { out: left } = await flow("replay", out);
    assert.match(left, /protocols {2}tcp 100, udp 1, icmp 1\n/);
  });

  it("watch shows a capture by its own clock", async () => {
    const { code, out, err } = await flow("watch", inFolder("in.pcap"), "--interval", "100ms", "--rows", "3");
    assert.equal(code, 0, err);
    const heads = out.split("\n").filter((line) => line.startsWith("2023-"));
    assert.equal(heads.length, 3);
    assert.match(heads[0] ?? "", /^2023-11-14T22:13:20\.100Z {2}.*in\.pcap: 6 flows open of 6, /);
    assert.match(out, /in\.pcap: \d+ packets, [\d.]+ kB, in 0\.2 s; 106 flows, 106 of them open\n$/);
    const json = await flow("watch", inFolder("in.pcap"), "--json", "--sort", "bytes", "--rows", "1");
    const [last] = lines(json.out);
    assert.deepEqual([last?.open, last?.seen, last?.lost], [106, 106, 0]);
    const [most] = (last?.flows ?? []) as { server: string; clientState: string; serverState: string }[];
    assert.deepEqual(
      [most?.server, most?.clientState, most?.serverState],
      ["10.0.2.1:443", "TIME_WAIT", "CLOSED"],
    );
  });

  it("watch without a capture needs root, and says so", {
    skip: process.getuid?.() === 0 ? false : "needs root to become somebody else",
  }, () => {
    const words = [
      "--reuid",
      "65534",
      "--clear-groups",
      process.execPath,
      LAUNCHER,
      "flow",
      "watch",
      "-i",
      "lo",
    ];
    const { status, stderr } = spawnSync("setpriv", words, { encoding: "utf8" });
    assert.equal(status, 6, stderr);
    assert.match(stderr, /only root may see the packets of others; run it with sudo/);
  });

  const CHOSEN: readonly string[] = [
    "tcpflow/bug8.pcap",
    "ndpi/http_ipv6.pcap",
    "ndpi/ftp.pcap",
    "tcpdump/OSPFv3_NBMA_adjacencies.pcap",
    "gopacket/test006.pcapng",
  ];
  for (const name of CHOSEN) {
    it(`replay says the same of ${name} with three workers`, { skip: capturesSkipped }, async () => {
      const capture = join(CAPTURES, name);
      const one = await flow("replay", capture, "--json");
      const three = await flow("replay", capture, "--json", "-w", "3");
      assert.equal(one.code, 0, one.err);
      assert.deepEqual(three.out.split("\n").sort(), one.out.split("\n").sort());
      assert.equal(three.err, one.err);
    });
  }
});
