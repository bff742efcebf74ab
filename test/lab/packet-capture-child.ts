/**
 * Opens a capture and a TUN device without the capabilities for them, and says what came of it.
 * @module
 */
import { MetanetError } from "#base/errors.ts";
import { LinuxPacketCapture } from "#linux/packet-ring.ts";
import { LinuxTun } from "#linux/tun.ts";

for (const open of [() => new LinuxPacketCapture({ interface: "lo" }), () => new LinuxTun({ mode: "tun" })]) {
  try {
    open().close();
    process.stdout.write("opened\n");
  } catch (error) {
    process.stdout.write(error instanceof MetanetError ? `${error.code}: ${error.message}\n` : `${error}\n`);
  }
}
