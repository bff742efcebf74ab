/**
 * One end of a TCP connection, in a process of a test's: sends bytes made of a seed, and tells what it got.
 *
 *     node flow-inline-peer.ts server|client ADDRESS PORT SEED LENGTH
 *
 * @module
 */
import { createHash } from "node:crypto";
import { connect, createServer, type Socket } from "node:net";
import { SeededRandom } from "#base/seeded-random.ts";

/** The last line of the process. */
export interface PeerReport {
  readonly lengthBytes: number;
  readonly sha256: string;
  /** Empty for a clean close. */
  readonly error: string;
}

const [role, address = "", port = "0", seed = "0", lengthBytes = "0"] = process.argv.slice(2);

function talk(socket: Socket): void {
  const hash = createHash("sha256");
  let count = 0;
  let error = "";
  socket.on("data", (bytes) => {
    hash.update(bytes);
    count += bytes.length;
  });
  socket.on("error", (thrown: NodeJS.ErrnoException) => {
    error = thrown.code ?? thrown.message;
  });
  socket.on("close", () => {
    tell({ lengthBytes: count, sha256: hash.digest("hex"), error });
  });
  socket.end(new SeededRandom(Number(seed)).bytes(Number(lengthBytes)));
}

function tell(report: PeerReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit());
}

setTimeout(() => {
  tell({ lengthBytes: -1, sha256: "", error: "too slow" });
}, 120_000);
if (role === "client") talk(connect({ host: address, port: Number(port), allowHalfOpen: true }));
else {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    server.close();
    talk(socket);
  });
  server.listen(Number(port), address, () => process.stdout.write("listening\n"));
}
