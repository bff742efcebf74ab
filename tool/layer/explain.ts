/**
 * Says in the words of layers.json what the compiler's errors mean when an import goes against the direction
 * of the layers, or a pure layer uses a name of Node's.
 * @module
 */
import type { Layers } from "./layers.ts";

/** One error of `tsc --pretty false`, with the lines that belong to it. */
export interface Complaint {
  /** Relative to the checkout; empty where the error has no place. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly code: string;
  /** The message and everything below it, paths relative to the checkout. */
  readonly text: string;
}

/** What to do instead of using a name that pure layers do not have. */
const INSTEAD: Readonly<Record<string, string>> = {
  Buffer: "use Uint8Array, #base/hex.ts and #base/utf8.ts",
  TextDecoder: "use #base/utf8.ts",
  TextEncoder: "use #base/utf8.ts",
  clearTimeout: "take a Clock (#base/clock.ts)",
  console: "take what reports it as an option",
  crypto: "take a Random (#base/random.ts)",
  fetch: "take an interface of src/io",
  performance: "take a Clock (#base/clock.ts) or `now: Instant`",
  process: "take what you need as an option",
  queueMicrotask: "use a promise",
  setImmediate: "take a Clock (#base/clock.ts)",
  setInterval: "take a Clock (#base/clock.ts)",
  setTimeout: "take a Clock (#base/clock.ts)",
};

/** Splits what `tsc -b --pretty false` printed; lines without a place go to the error before them. */
export function parseComplaints(output: string, root: string): Complaint[] {
  const complaints: Complaint[] = [];
  for (const line of output.replaceAll(`${root}/`, "").split("\n")) {
    const place = /^(?:(.+?)\((\d+),(\d+)\): )?error (TS\d+): (.*)$/.exec(line);
    const last = complaints.at(-1);
    if (place !== null) {
      const [, file = "", lineNumber, column, code = "", text = ""] = place;
      complaints.push({ file, line: Number(lineNumber ?? 0), column: Number(column ?? 0), code, text });
    } else if (last !== undefined && line.startsWith(" ")) {
      complaints[complaints.length - 1] = { ...last, text: `${last.text}\n${line}` };
    }
  }
  return complaints;
}

/**
 * The errors as sentences, each once; what is not about layers stays as the compiler said it.
 * @param source reads a file of the checkout
 */
export function explain(
  complaints: readonly Complaint[],
  layers: Layers,
  source: (file: string) => string,
): string[] {
  const sentences = complaints.flatMap((one) => sentencesOf(one, layers, source));
  // An error in one layer leaves those above without its output: that says nothing new.
  const own = sentences.filter((sentence) => !/\bTS6305\b/.test(sentence));
  return [...new Set(own.length > 0 ? own : sentences)];
}

function sentencesOf(complaint: Complaint, layers: Layers, source: (file: string) => string): string[] {
  if (complaint.code === "TS6307" && complaint.file !== "") {
    const sentences = directionSentences(complaint, layers, source);
    if (sentences.length > 0) return sentences;
  }
  const purity = puritySentence(complaint, layers);
  if (purity !== undefined) return [purity];
  const { file, line, code, text } = complaint;
  return [`${file === "" ? "" : `${file}:${line} `}${code}: ${text}`];
}

/** One sentence for each import that led to the file which the importer's project must not see. */
function directionSentences(
  complaint: Complaint,
  layers: Layers,
  source: (file: string) => string,
): string[] {
  const { file, line, column, text } = complaint;
  const target = /File '(src\/[^']+)'/.exec(text)?.[1];
  if (target === undefined) return [];
  // The compiler points at the first import's specifier, and lists all of them when there are more.
  const pointed =
    source(file)
      .split("\n")
      [line - 1]?.slice(column - 1) ?? "";
  const first = { file, specifier: /^(["'])(.*?)\1/.exec(pointed)?.[2] ?? target };
  const listed = [...text.matchAll(/Imported via "([^"]+)" from file '([^']+)'/g)]
    .map(([, specifier = "", importer = ""]) => ({ file: importer, specifier }))
    .filter((other) => layerOf(other.file) === layerOf(file));
  return [first, ...listed].map((one) => {
    const index = source(one.file)
      .split("\n")
      .findIndex((text) => text.includes(`"${one.specifier}"`));
    return `${one.file}:${index + 1} imports ${one.specifier}: ${rule(file, target, layers)} (layers.json)`;
  });
}

function rule(file: string, target: string, layers: Layers): string {
  const layer = layerOf(file);
  const other = layerOf(target);
  if (layer === other && layers[layer]?.each) {
    return `one ${layer} never imports another; they speak through mailboxes, declared in src/contract`;
  }
  const may = layers[layer]?.may ?? [];
  const allowed = may.length === 0 ? "nothing" : `${may.join(", ")} only`;
  const instead = ["linux", "sim"].includes(other)
    ? "; take an interface of src/io as an option instead"
    : "";
  return `${layer} may import ${allowed}${instead}`;
}

function puritySentence({ file, line, code, text }: Complaint, layers: Layers): string | undefined {
  const layer = layerOf(file);
  if (!layers[layer]?.pure || !["TS2304", "TS2307", "TS2580", "TS2584", "TS2591"].includes(code))
    return undefined;
  const name = /Cannot find (?:name|module) '([^']+)'/.exec(text)?.[1];
  if (name === undefined) return undefined;
  const instead = name.startsWith("node:") ? "take an interface of src/io as an option" : INSTEAD[name];
  if (instead === undefined) return undefined;
  return `${file}:${line} uses ${name}: ${layer} is pure and sees no Node, clock or I/O; ${instead} (layers.json)`;
}

function layerOf(file: string): string {
  return file.split("/")[1] ?? "";
}
