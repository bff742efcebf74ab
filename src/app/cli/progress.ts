/**
 * A line about work that goes on, written over while somebody looks.
 * @module
 */

export interface Progress {
  /** Shows `43,000 packets`, or nothing where nobody looks. */
  show(packets: number): void;
  /** Takes the line away: before anything else is written. */
  clear(): void;
}

/** The line of this process, on standard error. */
export function packetProgress(): Progress {
  const isSeen = process.stderr.isTTY === true && process.stdout.isTTY === true;
  let isShown = false;
  return {
    show: (packets) => {
      if (!isSeen) return;
      isShown = true;
      process.stderr.write(`\r${packets.toLocaleString("en")} packets`);
    },
    clear: () => {
      if (isShown) process.stderr.write("\r\u001b[K");
      isShown = false;
    },
  };
}
