/**
 * The `nft` program: a whole rule set goes in on standard input and is one transaction.
 * @module
 */
import { spawn } from "node:child_process";
import { NftMissingError, NotPermittedError, RulesRefusedError } from "#io/rule-set.ts";

/** How long one run may take; a big rule set takes some tens of milliseconds. */
const RUN_MILLISECONDS_MAX = 10_000;
/** Of what nft complains about, this much is kept for the error. */
const COMPLAINT_CHARACTERS_MAX = 2_000;
/** Where Debian puts it; not in every user's search path. */
const SYSTEM_FOLDERS = "/usr/sbin:/sbin";

/**
 * Runs `program -f -` with `text` on its standard input; with `isCheck` nothing is changed.
 * @throws NftMissingError, NotPermittedError, RulesRefusedError
 */
export async function runNft(program: string, text: string, isCheck = false): Promise<void> {
  const { code, complaint } = await run(program, text, isCheck ? ["-c"] : []);
  if (code === 0) return;
  if (complaint.includes("Operation not permitted")) {
    throw new NotPermittedError("Cannot load the rule set: the kernel allows it to root only. Start as root");
  }
  throw new RulesRefusedError(`Cannot load the rule set: nft ended with ${code}: ${complaint.trim()}`);
}

function run(
  program: string,
  text: string,
  options: readonly string[],
): Promise<{ code: number | string; complaint: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...options, "-f", "-"], {
      env: { ...process.env, LC_ALL: "C", PATH: `${process.env.PATH ?? ""}:${SYSTEM_FOLDERS}` },
      stdio: ["pipe", "ignore", "pipe"],
      timeout: RUN_MILLISECONDS_MAX,
      killSignal: "SIGKILL",
    });
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (piece: string) => {
      complaint = (complaint + piece).slice(0, COMPLAINT_CHARACTERS_MAX);
    });
    child.on("error", (cause: NodeJS.ErrnoException) => {
      const fix = "Install it: apt-get install --no-install-recommends nftables";
      const seen = cause.code === "ENOENT" ? "is not on this machine" : `did not start (${cause.code})`;
      reject(new NftMissingError(`Cannot load the rule set: '${program}' ${seen}. ${fix}`, { cause }));
    });
    child.on("close", (code, signal) => resolve({ code: code ?? signal ?? "no exit code", complaint }));
    // A program that ends before it has read everything is reported by its exit code.
    child.stdin.on("error", () => undefined);
    child.stdin.end(text);
  });
}
