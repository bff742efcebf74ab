/**
 * What the kernel was built with, by its own list: tests that need an option are left out on a kernel that lacks it
 * because the list says so, and not because the code under test does.
 * @module
 */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { gunzipSync } from "node:zlib";

let known: string | undefined;

/** Why a test that needs an option (`CONFIG_NFT_QUEUE`) is left out; `false` where the kernel has it or tells nothing. */
export function lackOf(option: string): string | false {
  known ??= listing();
  if (known === "" || new RegExp(`^${option}=[ym]$`, "m").test(known)) return false;
  return `this kernel was built without ${option}`;
}

/** The same for tests of what is said on a kernel that lacks the option. */
export function presenceOf(option: string): string | false {
  return lackOf(option) === false ? `this kernel may have ${option}` : false;
}

function listing(): string {
  for (const read of [
    () => gunzipSync(readFileSync("/proc/config.gz")),
    () => readFileSync(`/boot/config-${release()}`),
  ]) {
    try {
      return read().toString("latin1");
    } catch {
      // Kept elsewhere, or nowhere.
    }
  }
  return "";
}
