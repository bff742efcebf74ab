import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
import { MalformedCaptureError, TruncatedCaptureError } from "#wire/capture-record.ts";
import { PcapWriter } from "#wire/pcap-writer.ts";
import { readCapture } from "./capture-file.ts";
import { writeCapture } from "./capture-file-writer.ts";

const isRoot = process.getuid?.() === 0;
/** More than fits into one piece of reading, so that records straddle. */
const PACKET_COUNT = 5000;
const PACKET_BYTES = 1000;

const packetOf = (index: number): Uint8Array => new Uint8Array(PACKET_BYTES).fill(index);
const recordOf = (index: number) => ({
  seconds: index,
  nanoseconds: index,
  capturedBytes: PACKET_BYTES,
  originalBytes: 2000,
  bytes: packetOf(index),
  offset: 0,
});

/** How many packets there are, each of which is as it was written. */
async function countPackets(
  path: string,
): Promise<{ readonly count: number; readonly truncation: Error | undefined }> {
  const capture = await readCapture(path);
  let count = 0;
  try {
    while (await capture.more()) {
      while (capture.next()) {
        const { seconds, nanoseconds, bytes, offset, capturedBytes } = capture.record;
        assert.deepEqual([seconds, nanoseconds, capturedBytes], [count, count, PACKET_BYTES]);
        assert.deepEqual([bytes[offset], bytes[offset + PACKET_BYTES - 1]], [count & 255, count & 255]);
        count++;
      }
    }
    return { count, truncation: capture.truncation };
  } finally {
    await capture.close();
  }
}

describe("capture files", () => {
  const folder = mkdtempSync(join(tmpdir(), "mn-capture-"));
  const at = (name: string): string => join(folder, name);
  const file = at("file.pcap");
  after(() => rmSync(folder, { recursive: true }));

  before(async () => {
    const written = await writeCapture(file, { writer: new PcapWriter({ linkType: 1 }) });
    for (let index = 0; index < PACKET_COUNT; index++) await written.write(recordOf(index));
    assert.equal(existsSync(file), false, "it is not in place before it is whole");
    await written.close();
    await written.abandon();
    assert.deepEqual(readdirSync(folder), ["file.pcap"]);
  });

  test("readCapture() reads what writeCapture() wrote", async () => {
    assert.deepEqual(await countPackets(file), { count: PACKET_COUNT, truncation: undefined });
  });

  test("readCapture() says format and interfaces before the first packet", async () => {
    const capture = await readCapture(file);
    assert.equal(capture.format, "pcap");
    assert.deepEqual(
      capture.interfaces.map(({ linkType }) => linkType),
      [1],
    );
    await capture.close();
    assert.equal(await capture.more(), true, "what has been read is still there");
    while (capture.next());
    assert.equal(await capture.more(), false);
  });

  test("readCapture() reads through gzip: one member, several, and padding behind them", async () => {
    const bytes = readFileSync(file);
    const half = [gzipSync(bytes.subarray(0, 1_234_567)), gzipSync(bytes.subarray(1_234_567))];
    const cases = [[gzipSync(bytes)], half, [...half, Buffer.alloc(100_000)]];
    for (const parts of cases) {
      writeFileSync(at("file.pcap.gz"), Buffer.concat(parts));
      assert.deepEqual(await countPackets(at("file.pcap.gz")), {
        count: PACKET_COUNT,
        truncation: undefined,
      });
    }
  });

  test("readCapture() gives what a cut file still has, and tells that it is cut", async () => {
    writeFileSync(at("cut.pcap"), readFileSync(file).subarray(0, -1));
    const { count, truncation } = await countPackets(at("cut.pcap"));
    assert.equal(count, PACKET_COUNT - 1);
    assert.ok(truncation instanceof TruncatedCaptureError);
    assert.match(truncation.message, /^Cannot read .*cut.pcap: byte \d+: the file ends inside of a record$/);
  });

  test("readCapture() gives what a cut gzip file still has, and tells that it is cut", async () => {
    const compressed = gzipSync(readFileSync(file));
    writeFileSync(at("cut.gz"), compressed.subarray(0, compressed.length >> 1));
    const { count, truncation } = await countPackets(at("cut.gz"));
    assert.ok(count > 100 && count < PACKET_COUNT, `${count}`);
    assert.ok(truncation instanceof TruncatedCaptureError);
    assert.match(truncation.message, /the compressed file ends too early/);
  });

  test("readCapture() refuses damaged gzip, behind what could be read", async () => {
    const compressed = gzipSync(readFileSync(file));
    compressed.fill(0xff, compressed.length - 8);
    writeFileSync(at("damaged.gz"), compressed);
    await assert.rejects(
      countPackets(at("damaged.gz")),
      (error) => error instanceof MalformedCaptureError && /gzip is damaged/.test(error.message),
    );
  });

  test("readCapture() takes a pipe that gives a byte at a time, compressed or not, and an end without bytes", async () => {
    const small = new PcapWriter({ linkType: 1 });
    for (let index = 0; index < 2; index++) small.write(recordOf(index));
    const bytes = small.take();
    for (const [input, expected] of [
      [bytes, "2 packets"],
      [gzipSync(bytes), "2 packets"],
      [new Uint8Array(0), "Cannot read standard input: byte 0: the file is empty"],
      [Uint8Array.of(0x1f), "Cannot read standard input: byte 1: the file ends inside of the file's header"],
    ] as const) {
      assert.equal(await countInChild(input), expected);
    }
  });

  const WRONG: readonly [string, () => string, new (message: string) => Error, RegExp][] = [
    ["a missing file", () => at("none.pcap"), ConfigurationError, /none.pcap: there is no such file/],
    ["a directory", () => folder, ConfigurationError, /it is a directory/],
    ["a file used as a folder", () => join(file, "x"), ConfigurationError, /a part of its folder is a file/],
    ["an empty file", () => write("empty", ""), TruncatedCaptureError as never, /byte 0: the file is empty/],
    [
      "something else",
      () => write("text", "hello, world"),
      MalformedCaptureError as never,
      /neither pcap nor pcapng/,
    ],
    [
      "compressed noise",
      () => write("noise.gz", gzipSync("hello, world")),
      MalformedCaptureError as never,
      /neither/,
    ],
  ];
  const write = (name: string, content: string | Uint8Array): string => {
    writeFileSync(at(name), content);
    return at(name);
  };
  for (const [what, path, kind, message] of WRONG) {
    test(`readCapture() refuses ${what}`, async () => {
      await assert.rejects(readCapture(path()), (error) => {
        assert.ok(error instanceof kind);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test("readCapture() and writeCapture() refuse what they may not read or write", async () => {
    const secret = write("secret", "");
    chmodSync(secret, 0);
    const expected = { name: "ConfigurationError", message: /: permission denied; / };
    const options = { writer: new PcapWriter({ linkType: 1 }), isAtomic: false };
    // Root may read everything; the folder is its own, and nobody may look into it.
    if (isRoot) process.seteuid?.(65_534);
    try {
      await assert.rejects(readCapture(secret), expected);
      await assert.rejects(writeCapture(secret, options), expected);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  test("writeCapture() leaves the old file alone when it is abandoned", async () => {
    const old = write("old.pcap", "old");
    const written = await writeCapture(old, { writer: new PcapWriter({ linkType: 1 }) });
    await written.write(recordOf(0));
    await written.abandon();
    assert.equal(readFileSync(old, "utf8"), "old");
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith(".next")),
      [],
    );
  });

  test("writeCapture() writes as it goes where it is told to, and through a link", async () => {
    mkdirSync(at("sub"));
    symlinkSync(join("sub", "target"), at("link"));
    for (const [path, isAtomic] of [
      [at("plain"), false],
      [at("link"), true],
    ] as const) {
      const written = await writeCapture(path, { writer: new PcapWriter({ linkType: 1 }), isAtomic });
      assert.equal(existsSync(path), true);
      await written.write(recordOf(0));
      await written.close();
      assert.equal((await countPackets(path)).count, 1);
    }
    assert.deepEqual(readdirSync(at("sub")), ["target"]);
  });

  test("writeCapture() refuses a folder that is not there, and a directory", async () => {
    const options = { writer: new PcapWriter({ linkType: 1 }) };
    const inNone = join(folder, "none", "x");
    await assert.rejects(writeCapture(inNone, options), {
      name: "ConfigurationError",
      message: `Cannot write ${inNone}: there is no such file or folder; check the name`,
    });
    await assert.rejects(writeCapture(folder, options), ConfigurationError);
  });

  test("writeCapture() tells a full disk", {
    skip: existsSync("/dev/full") ? false : "no /dev/full",
  }, async () => {
    const written = await writeCapture("/dev/full", { writer: new PcapWriter({ linkType: 1 }) });
    await written.write(recordOf(0));
    await assert.rejects(written.close(), UnavailableError);
  });

  test("writeCapture() writes standard output", async () => {
    const script = `
      import { PcapWriter } from "#wire/pcap-writer.ts";
      import { writeCapture } from "#app/capture-file-writer.ts";
      const written = await writeCapture("-", { writer: new PcapWriter({ linkType: 1 }) });
      const bytes = new Uint8Array(1000);
      const record = { seconds: 0, nanoseconds: 0, capturedBytes: 1000, originalBytes: 1000, bytes, offset: 0 };
      for (let index = 0; index < 3000; index++) await written.write(record);
      await written.close();`;
    assert.equal((await runChild(script, new Uint8Array(0))).length, 24 + 3000 * 1016);
  });
});

/** What a process says that reads `input` as its standard input, given a byte at a time at first. */
async function countInChild(input: Uint8Array): Promise<string> {
  const script = `
    import { readCapture } from "#app/capture-file.ts";
    try {
      const capture = await readCapture("-");
      let count = 0;
      while (await capture.more()) while (capture.next()) count++;
      process.stdout.write(count + " packets");
    } catch (error) {
      process.stdout.write(error.message);
    }`;
  return String(await runChild(script, input));
}

function runChild(script: string, input: Uint8Array): Promise<Buffer> {
  const root = join(import.meta.dirname, "..", "..");
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const parts: Buffer[] = [];
  child.stdout.on("data", (part: Buffer) => parts.push(part));
  let at = 0;
  const give = (): void => {
    const end = at < 40 ? at + 1 : input.length;
    if (at >= input.length) child.stdin.end();
    else child.stdin.write(input.subarray(at, end), () => setImmediate(give));
    at = end;
  };
  give();
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve(Buffer.concat(parts)));
  });
}
