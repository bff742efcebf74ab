/**
 * The least that a portal can do: node:http answering every request with the same 307. Arguments: address, a port
 * at which it closes each connection, and one at which it keeps them.
 * @module
 */
import { createServer } from "node:http";

const [address = "", closing = "", keeping = ""] = process.argv.slice(2);
const location = `http://${address}:5280/login?url=http%3A%2F%2Fweb.example%2Fnews%3Fid%3D1`;
const body = `<!DOCTYPE html><html><head><title>Moved</title>
<meta http-equiv="refresh" content="1;url=${location}"></head>
<body>This page has been <a href="${location}">moved</a>.</body></html>
`;
const headers = {
  location,
  refresh: `1;url=${location}`,
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
};
for (const [port, connection] of [
  [closing, "close"],
  [keeping, "keep-alive"],
] as const) {
  createServer((_, response) => {
    response.writeHead(307, { ...headers, connection, "content-length": String(Buffer.byteLength(body)) });
    response.end(body);
  }).listen(Number(port), address);
}
process.once("SIGTERM", () => process.exit(0));
process.stdout.write("ready\n");
