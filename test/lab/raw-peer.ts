/**
 * What somebody without manners does at a service's Unix socket: noise, frames that are too long, and questions whose
 * answers are never read.
 * @module
 */
import { connect, type Socket } from "node:net";
import { encodeHello } from "#link/hello.ts";
import { FRAME_BYTES_MAX, KIND, NO_MAILBOX, SPELLED_MAILBOX, writeFrame } from "#wire/link.ts";
import { Output } from "#wire/output.ts";

type Frame = Partial<Parameters<typeof writeFrame>[1]>;

function frame(parts: Frame): Buffer {
  const output = new Output();
  writeFrame(output, { kind: 0, flags: 0, mailbox: NO_MAILBOX, seq: 0, ref: 0, body: [], ...parts } as never);
  return Buffer.from(output.bytes.slice(0, output.length));
}

/** A frame's head that announces more than anybody takes. */
function oversize(): Buffer {
  const bytes = frame({ kind: KIND.ping });
  bytes.writeUInt32LE(FRAME_BYTES_MAX * 2, 0);
  return bytes;
}

const hello = frame({ kind: KIND.hello, body: encodeHello("rude", "1") });
const question = (seq: number): Buffer =>
  frame({ kind: KIND.call, mailbox: SPELLED_MAILBOX, path: "/sys/list", seq });

/** What is written to a socket after which the service must hang up; each is repeated until it does. */
export const RUDENESS: Readonly<Record<string, (round: number) => Buffer>> = {
  noise: () => Buffer.alloc(5000, 0xa7),
  "a frame that is too long": (round) =>
    round === 0 ? Buffer.concat([hello, oversize()]) : Buffer.alloc(65_536),
  "a stranger's frame that is too long": () => oversize(),
  "questions without reading an answer": (round) => {
    const many = Buffer.concat(Array.from({ length: 100 }, (_, index) => question(round * 100 + index + 1)));
    return round === 0 ? Buffer.concat([hello, many]) : many;
  },
};

/** Writes until the other side hangs up; whether it did within the time. */
export async function rude(
  path: string,
  speech: (round: number) => Buffer,
  withinMs: number,
): Promise<boolean> {
  const socket: Socket = connect({ path });
  socket.pause();
  let isOver = false;
  socket.once("close", () => {
    isOver = true;
  });
  // EPIPE tells of the end to one who does not read.
  socket.on("error", () => undefined);
  const end = performance.now() + withinMs;
  for (let round = 0; !isOver && performance.now() < end; round++) {
    if (socket.writableLength < 1_000_000) socket.write(speech(round));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  socket.destroy();
  return isOver;
}
