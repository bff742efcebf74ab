/**
 * Where the packets of `flow run --write` go: a capture in pcapng, whatever they came from.
 * @module
 */
import { PcapngWriter } from "#wire/pcapng-writer.ts";
import { type CaptureFileWriter, writeCapture } from "../capture-file-writer.ts";
import type { FlowFrame } from "../flow.ts";

export class RunOutput {
  readonly #writer: PcapngWriter;
  readonly #file: CaptureFileWriter;
  /** Numbers of interfaces by their link types. */
  readonly #interfaces = new Map<number, number>();
  #pending: Promise<void> | undefined;

  private constructor(writer: PcapngWriter, file: CaptureFileWriter) {
    this.#writer = writer;
    this.#file = file;
  }

  /** @param path a file, or `-` for standard output; @throws ConfigurationError, UnavailableError */
  static async open(path: string): Promise<RunOutput> {
    const writer = new PcapngWriter({ application: "metanet flow run" });
    return new RunOutput(writer, await writeCapture(path, { writer }));
  }

  /** What has to be awaited before more than a ring's block of packets follow; `undefined` for nothing. */
  get pending(): Promise<void> | undefined {
    return this.#pending;
  }

  /** Appends a packet, copied. @throws UnencodableRecordError */
  write(frame: FlowFrame): void {
    const { linkType } = frame;
    let id = this.#interfaces.get(linkType);
    if (id === undefined) {
      id = this.#writer.addInterface({ linkType });
      this.#interfaces.set(linkType, id);
    }
    const flushed = this.#file.write(frame, id);
    if (flushed === undefined) return;
    const before = this.#pending;
    this.#pending = before === undefined ? flushed : Promise.all([before, flushed]).then(() => undefined);
    // It is awaited later; until then nobody calls it unhandled.
    this.#pending.catch(() => undefined);
  }

  /** Waits for what is being written. @throws UnavailableError */
  async settle(): Promise<void> {
    const pending = this.#pending;
    this.#pending = undefined;
    await pending;
  }

  async close(): Promise<void> {
    await this.settle();
    await this.#file.close();
  }

  abandon(): Promise<void> {
    return this.#file.abandon();
  }
}
