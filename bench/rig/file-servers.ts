/**
 * Debian's tftpd-hpa and nginx in `dst` with 26 files of 1 byte to 32 MiB, and the real clients that fetch them from
 * `src`. Everything is in a folder of its own; no service of the machine is touched.
 * @module
 */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ADDRESSES, type BenchNetwork, SECOND_SOURCE } from "./network.ts";

export type FileProtocol = "tftp" | "http";

/** `direct` comes from an address that no cache serves. */
export type FileWay = "direct" | "cached";

/** 2^0 to 2^25 bytes. */
export const FILE_SIZES: readonly number[] = Array.from({ length: 26 }, (_, power) => 2 ** power);

const HOST = ADDRESSES[4].dst;
const TFTP_PORT = 69;
const HTTP_PORT = 80;
/** A download that takes longer hangs. */
const PATIENCE_SECONDS = "900";

export class FileServers {
  readonly #network: BenchNetwork;
  readonly #core: number | undefined;
  readonly #folder = mkdtempSync(join(tmpdir(), "metanet-files-"));
  readonly #files = join(this.#folder, "files");
  readonly #fetched = join(this.#folder, "fetched");
  readonly #remove = (): void => rmSync(this.#folder, { recursive: true, force: true });

  /** @param core where servers and clients run; anywhere when absent. */
  constructor(network: BenchNetwork, core?: number) {
    this.#network = network;
    this.#core = core;
    process.on("exit", this.#remove);
    // Both servers read as another user.
    chmodSync(this.#folder, 0o755);
    for (const folder of [this.#files, this.#fetched]) mkdirSync(folder);
    const bytes = someBytes(Math.max(...FILE_SIZES));
    for (const size of FILE_SIZES) writeFileSync(join(this.#files, nameOf(size)), bytes.subarray(0, size));
  }

  /** Resolves when both answer. */
  async start(): Promise<void> {
    const tftpd = ["in.tftpd", "-L", "-a", `${HOST}:${TFTP_PORT}`, "-s", this.#files];
    await this.#network.start("dst", tftpd, { core: this.#core });
    const file = join(this.#folder, "nginx.conf");
    writeFileSync(file, nginxConfig(this.#folder, this.#files));
    const nginx = ["nginx", "-c", file, "-p", this.#folder, "-e", "stderr"];
    await this.#network.start("dst", nginx, { core: this.#core });
    await this.#network.listening("dst", TFTP_PORT, "udp");
    await this.#network.listening("dst", HTTP_PORT);
    // Segments with a request; without one, they are 80 bytes at most.
    const rules = `udp dport ${TFTP_PORT} counter; tcp dport ${HTTP_PORT} meta length > 90 counter`;
    const chain = "chain in { type filter hook input priority 0;";
    this.#network.run("dst", ["nft", `table ip requests { ${chain} ${rules}; }; }`]);
  }

  /** How many requests have come to the server. */
  requestCount(protocol: FileProtocol): number {
    const text = this.#network.run("dst", ["nft", "list", "chain", "ip", "requests", "in"]);
    const line = text.split("\n").find((one) => one.includes(protocol === "tftp" ? "udp" : "tcp"));
    return Number(/packets (\d+)/.exec(line ?? "")?.[1]);
  }

  /** Downloads a file with curl, in a process of its own, and answers the seconds by curl's own clock. */
  async download(protocol: FileProtocol, size: number, way: FileWay = "cached"): Promise<number> {
    const words = ["-o", "/dev/null", "-w", "%{time_total} %{size_download}"];
    const text = await this.#curl(protocol, size, way, words);
    const [seconds = 0, bytes = 0] = text.split(" ").map(Number);
    if (bytes !== size) throw new Error(`Cannot compare: of ${size} bytes by ${protocol} came ${bytes}`);
    return seconds;
  }

  /**
   * Downloads and compares every byte: with curl what comes directly, with another client (tftp-hpa, wget) what is cached.
   * @throws Error when they differ.
   */
  async verify(protocol: FileProtocol, size: number, way: FileWay): Promise<void> {
    const name = nameOf(size);
    const target = join(this.#fetched, name);
    if (way === "direct") {
      await this.#curl(protocol, size, way, ["-o", target]);
    } else {
      const words =
        protocol === "tftp"
          ? ["tftp", "-m", "binary", HOST, "-c", "get", name, target]
          : ["wget", "-q", "-O", target, `http://${HOST}/${name}`];
      await this.#network.runLong("src", words, this.#core);
    }
    if (digest(target) !== digest(join(this.#files, name))) {
      throw new Error(`Cannot compare: ${name} by ${protocol} is not what the server has`);
    }
    rmSync(target);
  }

  #curl(protocol: FileProtocol, size: number, way: FileWay, words: readonly string[]): Promise<string> {
    // RFC 1350 as it is, with blocks of 512 bytes, as the clients of the thesis did it.
    const options = protocol === "tftp" ? ["--tftp-no-options"] : [];
    const source = ["--interface", way === "direct" ? SECOND_SOURCE : ADDRESSES[4].src];
    const command = ["curl", "-sS", "--max-time", PATIENCE_SECONDS, ...source, ...options, ...words];
    return this.#network.runLong("src", [...command, `${protocol}://${HOST}/${nameOf(size)}`], this.#core);
  }

  close(): void {
    process.off("exit", this.#remove);
    this.#remove();
  }
}

function nameOf(size: number): string {
  return `file-${size}`;
}

function digest(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** The same in every run, and different in every block of a file (xorshift32). */
function someBytes(length: number): Uint8Array {
  const words = new Uint32Array(length / 4);
  let state = 0x9e37_79b9;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer);
}

function nginxConfig(folder: string, files: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
events { worker_connections 64; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
${temporary.map((kind) => `  ${kind}_temp_path ${folder}/${kind};\n`).join("")}  server { listen ${HOST}:${HTTP_PORT}; root ${files}; expires 1d; }
}
`;
}
