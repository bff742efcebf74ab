/**
 * The floor for two Node processes: frames with a length in front over a Unix socket, sent back as they came.
 * `framed-echo.ts PATH` serves; {@link FramedClient} calls.
 * @module
 */
import { connect, createServer, type Socket } from "node:net";

/** Cuts a stream into frames of `u32 little-endian length` and as many bytes. */
function onFrames(socket: Socket, handle: (frame: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let offset = 0;
    while (rest.length - offset >= 4) {
      const end = offset + 4 + rest.readUInt32LE(offset);
      if (end > rest.length) break;
      handle(rest.subarray(offset, end));
      offset = end;
    }
    rest = rest.subarray(offset);
  });
}

/** One request at a time. */
export class FramedClient {
  readonly #socket: Socket;
  #answered: () => void = () => undefined;

  constructor(path: string) {
    this.#socket = connect(path);
    onFrames(this.#socket, () => this.#answered());
  }

  call(frame: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#socket.write(frame);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

if (import.meta.main) {
  const server = createServer((socket) => onFrames(socket, (frame) => socket.write(frame)));
  server.listen(process.argv[2], () => process.stdout.write("ready\n"));
  process.on("SIGTERM", () => process.exit(0));
}
