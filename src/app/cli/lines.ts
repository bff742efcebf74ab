/**
 * Text lines from a stream, each of bounded length.
 * @module
 */
import { StringDecoder } from "node:string_decoder";

export interface LineSink {
  /** One line without its end. */
  line(text: string): void;
  /** A line longer than the limit was skipped. */
  tooLong(): void;
}

/** Hands over every line of a stream until it ends; a last line without its end counts. */
export async function readLines(
  stream: AsyncIterable<Uint8Array | string>,
  bytesMax: number,
  sink: LineSink,
): Promise<void> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  let skipping = false;
  for await (const chunk of stream) {
    const parts = (rest + (typeof chunk === "string" ? chunk : decoder.write(chunk))).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      if (!skipping && part.length <= bytesMax) sink.line(part);
      skipping = false;
    }
    if (rest.length > bytesMax) {
      if (!skipping) sink.tooLong();
      skipping = true;
      rest = "";
    }
  }
  if (rest !== "" && !skipping) sink.line(rest);
}
