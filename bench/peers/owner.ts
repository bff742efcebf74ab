/**
 * The process whose mailboxes the link benchmarks call: `owner.ts RUN_DIRECTORY`. Each has three local listeners.
 * @module
 */
import { answer, node } from "#app/metanet.ts";

const bus = await node("owner", { directory: process.argv[2] ?? "" });
let count = 0;
for (const path of ["/bench/echo", "/bench/watched"]) {
  await bus.append(path, "first", () => undefined);
  await bus.append(path, "second", (given) => {
    count += given.size;
  });
  await bus.provide(path, (given) => answer(given));
}
for (const label of ["first", "second", "third"]) {
  await bus.append("/bench/sink", label, (given) => {
    count += given.size;
  });
}
process.stdout.write("ready\n");
process.on("SIGTERM", () => process.exit(count < 0 ? 1 : 0));
