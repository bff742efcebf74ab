import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { rootProblem } from "./own-namespace.ts";
import { ExampleLab, someBytes } from "./packet-examples-lab.ts";
import { run, SERVER } from "./packet-queue-net.ts";

const SIZES = [1, 1000, 1448, 100_000, 2 ** 20, 2 ** 25];

describe("example/packet/http-cache.ts before nginx", { skip: rootProblem() }, () => {
  let lab: ExampleLab;
  let files: string;

  before(async () => {
    lab = new ExampleLab();
    files = join(lab.folder, "files");
    mkdirSync(files);
    for (const size of SIZES) writeFileSync(join(files, `file-${size}`), someBytes(size));
    const configuration = join(lab.folder, "nginx.conf");
    writeFileSync(configuration, nginxConfiguration(lab.folder, files));
    await lab.start(lab.net.server, ["nginx", "-c", configuration, "-p", lab.folder, "-e", "stderr"]);
    await lab.listening(lab.net.server, 80);
    await lab.load(
      "http-cache.ts",
      "requests",
      "--hook",
      "forward",
      "--match",
      "tcp dport 80",
      "--isolate",
      "http",
    );
    await lab.load(
      "http-cache.ts",
      "responses",
      "--hook",
      "forward",
      "--match",
      "tcp sport 80",
      "--isolate",
      "http",
    );
  });
  after(() => lab.close());

  for (const version of [4, 6] as const) {
    for (const size of SIZES) {
      test(`curl gets ${size} bytes over IPv${version}, first from nginx and then from the cache`, async () => {
        const host = version === 4 ? SERVER[4] : `[${SERVER[6]}]`;
        const target = join(lab.folder, "fetched");
        for (const isHit of [false, true]) {
          const before = await lab.listed("requests");
          const words = [
            "curl",
            "-sS",
            "-D",
            "-",
            "-o",
            target,
            "-w",
            "%{time_total}",
            `http://${host}/file-${size}`,
          ];
          const { code, stdout, stderr } = await lab.run(lab.net.client, words, 60);
          assert.equal(code, 0, stderr);
          assert.ok(Buffer.compare(readFileSync(target), someBytes(size)) === 0, "other bytes");
          const { counters, errors } = await lab.listed("requests");
          assert.equal((counters.hits ?? 0) - (before.counters.hits ?? 0), isHit ? 1 : 0);
          assert.equal(/^age: \d+\r$/im.test(stdout), isHit);
          assert.equal(errors, 0);
        }
      });
    }
  }

  test("curl gets all bytes from the cache over a link that loses 3 of 100 packets each way", async () => {
    const { client } = lab.net;
    const size = 2 ** 20;
    const target = join(lab.folder, "fetched");
    const words = ["curl", "-sS", "-o", target, `http://${SERVER[4]}/file-${size}`];
    assert.equal((await lab.run(client, words)).code, 0);
    const before = await lab.listed("requests");
    const inClient = `ip netns exec ${client} nft add`;
    run(`${inClient} table inet lossy`);
    for (const [hook, chain] of [
      ["input", "in"],
      ["output", "out"],
    ]) {
      run(`${inClient} chain inet lossy ${chain} { type filter hook ${hook} priority 0 ; }`);
      run(`${inClient} rule inet lossy ${chain} meta l4proto tcp numgen random mod 100 < 3 counter drop`);
    }
    const { code, stderr } = await lab.run(client, words, 60);
    const lost = run(`ip netns exec ${client} nft list table inet lossy`);
    run(`ip netns exec ${client} nft delete table inet lossy`);
    assert.equal(code, 0, stderr);
    assert.ok(Buffer.compare(readFileSync(target), someBytes(size)) === 0, "other bytes");
    assert.match(lost, /packets [1-9]/, "nothing was lost");
    const { counters } = await lab.listed("requests");
    assert.equal((counters.hits ?? 0) - (before.counters.hits ?? 0), 1);
  });

  test("nginx has no connection left that the cache has taken over", async () => {
    const { stdout } = await lab.run(lab.net.server, ["ss", "-Htn", "state", "established", "sport = :80"]);
    assert.equal(stdout, "");
  });

  test("curl gets several files over one connection, the known ones from the cache", async () => {
    const urls = [1, 1000, 1448].map((size) => `http://${SERVER[4]}/file-${size}`);
    const words = ["curl", "-sS", ...urls.flatMap((url) => ["-o", join(lab.folder, "fetched"), url])];
    const { code, stderr } = await lab.run(lab.net.client, words);
    assert.equal(code, 0, stderr);
    assert.ok(
      Buffer.compare(readFileSync(join(lab.folder, "fetched")), someBytes(1448)) === 0,
      "other bytes",
    );
  });
});

function nginxConfiguration(folder: string, files: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
events { worker_connections 256; }
http {
  access_log ${folder}/access.log;
  sendfile on;
  tcp_nopush on;
${temporary.map((kind) => `  ${kind}_temp_path ${folder}/${kind};\n`).join("")}  server {
    listen ${SERVER[4]}:80;
    listen [${SERVER[6]}]:80;
    root ${files};
  }
}
`;
}
