/**
 * A line about work that goes on, written over while somebody looks.
 * @module
 */
import { fstatSync } from "node:fs";

export interface Progress {
  /** Shows `43,000 packets`, or nothing where nobody looks. */
  show(packets: number): void;
  /** Takes the line away: before anything else is written. */
  clear(): void;
}

/**
 * The line of this process, on standard error: where that is a terminal, and results come there as well, line by line, or
 * go to a file. What goes to another program may come back to the terminal any time.
 * @param hasOwnFile results go to a file that is not standard output
 */
export function packetProgress(hasOwnFile: boolean = false): Progress {
  const { stdout, stderr } = process;
  const isSeen = stderr.isTTY === true && (hasOwnFile || stdout.isTTY === true || isFile(stdout.fd));
  let isShown = false;
  return {
    show: (packets) => {
      if (!isSeen) return;
      isShown = true;
      stderr.write(`\r${packets.toLocaleString("en")} packets`);
    },
    clear: () => {
      if (isShown) stderr.write("\r\u001b[K");
      isShown = false;
    },
  };
}

function isFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    // It is closed.
    return false;
  }
}
