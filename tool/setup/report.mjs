/**
 * How the set-up speaks: plain lines on standard error, so that a program's own output stays its own.
 * @module
 */

/** Says one line to the person who started the command. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** A count with its noun: `1 package`, `3 packages`. */
export function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** The first lines of a program's output, indented: npm says what is wrong before it explains itself. */
export function head(text, lineCount = 15) {
  return indent(text.trim().split("\n").slice(0, lineCount));
}

/** The last lines of a program's output, indented: what matters when it failed. */
export function tail(text, lineCount = 15) {
  return indent(text.trimEnd().split("\n").slice(-lineCount));
}

function indent(lines) {
  return lines.map((line) => `    ${line}`).join("\n");
}
