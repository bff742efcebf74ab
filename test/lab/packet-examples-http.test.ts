import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { rootProblem } from "./own-namespace.ts";
import { ExampleLab, someBytes } from "./packet-examples-lab.ts";
import { SERVER } from "./packet-queue-net.ts";

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
