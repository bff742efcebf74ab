/**
 * A terminal as a page that is drawn again and again: on its alternate screen, so that what was there before comes back;
 * line by line, so that nothing flickers; with single keys.
 * @module
 */

const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";
const CONTROL_C = "\u0003";

export class Screen {
  readonly #onKey: (key: string) => void;
  readonly #onExit = (): void => this.close();
  readonly #onData = (bytes: Buffer): void => this.#keys(bytes);
  #isOpen = true;

  /** @param onKey is told of each key; Ctrl-C comes as SIGINT */
  constructor(onKey: (key: string) => void) {
    this.#onKey = onKey;
    process.stdout.write(ENTER);
    process.once("exit", this.#onExit);
    if (process.stdin.isTTY) process.stdin.setRawMode(true).on("data", this.#onData).resume();
  }

  /** Lines that have room on it. */
  get height(): number {
    return process.stdout.rows ?? 24;
  }

  get width(): number {
    return process.stdout.columns ?? 80;
  }

  /** Shows these lines and no others; what has no room is cut off. */
  draw(lines: readonly string[]): void {
    const shown = lines.slice(0, this.height);
    process.stdout.write(`${HOME}${shown.map((line) => line + CLEAR_LINE).join("\r\n")}${CLEAR_BELOW}`);
  }

  /** Gives the terminal back as it was. Harmless twice. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off("exit", this.#onExit);
    if (process.stdin.isTTY) process.stdin.off("data", this.#onData).setRawMode(false).pause();
    process.stdout.write(LEAVE);
  }

  #keys(bytes: Buffer): void {
    for (const key of bytes.toString("latin1")) {
      if (key === CONTROL_C) process.kill(process.pid, "SIGINT");
      else this.#onKey(key);
    }
  }
}
