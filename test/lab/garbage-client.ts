/**
 * A client that floods the gateway until it is ended: datagrams of noise to the DHCP server, and HTTP that is none to
 * the portal. Arguments: the gateway's address, the portal's port. Prints `flooding` when the first round is out.
 * @module
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";

const [address = "", port = ""] = process.argv.slice(2);
/** Connections that are open at one time. */
const CONNECTION_COUNT = 20;

const REQUESTS: readonly (string | Uint8Array)[] = [
  "GET / HTTP/1.1\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
  "BREW /pot HTCPCP/1.0\r\n\r\n",
  `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
  "POST /login HTTP/1.1\r\nHost: 10.77.0.1:5280\r\nContent-Length: 99999999\r\n\r\n",
  "POST /login HTTP/1.1\r\nHost: 10.77.0.1:5280\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  noise(600, 7),
];

function noise(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * seed * 31 + (index >> 3) * seed) & 0xff);
}

const udp = createSocket("udp4");
let round = 0;
setInterval(() => {
  for (let copy = 0; copy < 20; copy++) udp.send(noise((round++ * 37) % 1400, round), 67, address);
  if (round === 20) process.stdout.write("flooding\n");
}, 2);

let connectionNumber = 0;
function open(): void {
  const number = connectionNumber++;
  const socket = connect({ host: address, port: Number(port) });
  socket.on("error", () => undefined);
  socket.on("close", () => setTimeout(open, 5));
  socket.write(REQUESTS[number % REQUESTS.length] ?? "");
  socket.setTimeout(200, () => socket.destroy());
}
for (let count = 0; count < CONNECTION_COUNT; count++) open();
