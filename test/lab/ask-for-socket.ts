/**
 * A program for tests: asks a broker for the DHCP socket as whatever user it runs as, broadcasts one datagram
 * through it and prints `sent`, or prints the error's code.
 *
 *     node ask-for-socket.ts SOCKET-PATH INTERFACE ADDRESS
 * @module
 */
import { MetanetError } from "#base/errors.ts";
import { ip } from "#base/ip-address.ts";
import { milliseconds } from "#base/time.ts";
import { encodeUtf8 } from "#base/utf8.ts";
import { requestDhcp4Socket } from "#linux/handover-client.ts";

const [path = "", interfaceName = "", address = ""] = process.argv.slice(2);
try {
  const place = { interface: interfaceName, address: ip(address) };
  const socket = await requestDhcp4Socket(path, place, { timeout: milliseconds(3000) });
  socket.onTrouble((error) => process.stdout.write(`${error.message}\n`));
  socket.send(encodeUtf8(`from user ${process.getuid?.()}`), { address: ip("255.255.255.255"), port: 68 });
  socket.close();
  process.stdout.write("sent\n");
} catch (error) {
  process.stdout.write(`${error instanceof MetanetError ? error.code : String(error)}\n`);
}
