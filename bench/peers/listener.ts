/**
 * One listener in a process of its own, in front of the owner's three: `listener.ts RUN_DIRECTORY`.
 * @module
 */
import { node } from "#app/metanet.ts";

const bus = await node("listener", { directory: process.argv[2] ?? "" });
await bus.prepend("owner:/bench/watched", "watcher", () => undefined);
process.stdout.write("ready\n");
process.on("SIGTERM", () => process.exit(0));
