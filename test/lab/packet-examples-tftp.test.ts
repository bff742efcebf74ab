import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { rootProblem } from "./own-namespace.ts";
import { ExampleLab, someBytes } from "./packet-examples-lab.ts";
import { SERVER } from "./packet-queue-net.ts";

/** The last one needs more blocks than a block number can say. */
const SIZES = [0, 1, 512, 100_000, 65_540 * 512 + 1];

describe("example/packet/tftp-cache.ts before tftpd-hpa", { skip: rootProblem() }, () => {
  let lab: ExampleLab;
  let files: string;
  let target: string;
  const servers: ChildProcess[] = [];

  before(async () => {
    lab = new ExampleLab();
    files = join(lab.folder, "files");
    target = join(lab.folder, "fetched");
    mkdirSync(files);
    for (const size of SIZES) {
      writeFileSync(join(files, `file-${size}`), someBytes(size));
      chmodSync(join(files, `file-${size}`), 0o644);
    }
    for (const address of [SERVER[4], `[${SERVER[6]}]`]) {
      const server = await lab.start(lab.net.server, ["in.tftpd", "-L", "-a", `${address}:69`, "-s", files]);
      servers.push(server);
    }
    await lab.listening(lab.net.server, 69, "udp");
    const words = ["--match", "meta l4proto udp", "--isolate", "tftp", "--hook", "forward"];
    await lab.load("tftp-cache.ts", "requests", "--in", "lan0", ...words);
    await lab.load("tftp-cache.ts", "answers", "--in", "wan0", ...words);
  });
  after(() => lab.close());

  /** Fetches twice, and compares every byte. */
  async function fetchTwice(size: number, words: readonly string[]): Promise<void> {
    for (const isHit of [false, true]) {
      rmSync(target, { force: true });
      const before = await lab.listed("requests");
      const { code, stderr } = await lab.run(lab.net.client, words, 120);
      assert.equal(code, 0, stderr);
      assert.ok(Buffer.compare(readFileSync(target), someBytes(size)) === 0, "other bytes");
      const { counters, errors, faults } = await lab.listed("requests");
      assert.equal(errors, 0, JSON.stringify(faults));
      assert.equal((counters.hits ?? 0) - (before.counters.hits ?? 0), isHit ? 1 : 0);
    }
  }

  for (const version of [4, 6] as const) {
    const host = version === 4 ? SERVER[4] : `[${SERVER[6]}]`;
    for (const size of SIZES.filter((bytes) => version === 4 || bytes < 1 << 20)) {
      test(`curl gets ${size} bytes over IPv${version}, first from tftpd and then from the cache`, async () => {
        const url = `tftp://${host}/file-${size}`;
        await fetchTwice(size, ["curl", "-sS", "--tftp-no-options", "-o", target, url]);
      });
    }

    test(`curl gets blocks of 1400 bytes over IPv${version}, with the size`, async () => {
      const url = `tftp://${host}/file-100000`;
      await fetchTwice(100_000, ["curl", "-sS", "--tftp-blksize", "1400", "-o", target, url]);
    });

    test(`tftp gets a file over IPv${version}`, async () => {
      const words = [
        "tftp",
        "-m",
        "binary",
        version === 4 ? SERVER[4] : SERVER[6],
        "-c",
        "get",
        "file-512",
        target,
      ];
      // Without options it asks as curl did before.
      const { code, stderr } = await lab.run(lab.net.client, words);
      assert.equal(code, 0, stderr);
      assert.ok(Buffer.compare(readFileSync(target), someBytes(512)) === 0, "other bytes");
    });
  }

  test("the cache goes on when nobody serves any more", async () => {
    await Promise.all(servers.map((server) => lab.end(server)));
    const { code } = await lab.run(lab.net.client, [
      "curl",
      "-sS",
      "--tftp-no-options",
      "-o",
      target,
      `tftp://${SERVER[4]}/file-100000`,
    ]);
    assert.equal(code, 0);
  });
});
