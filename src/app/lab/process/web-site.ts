/**
 * The lab's web server, run as its own process in the "internet": a page per host name, `/drip` which sends a line
 * every 100 ms for as long as anybody reads, `/bytes/N`, and an echo on a second TCP port.
 * Arguments: the echo port. Prints `ready` when all sockets listen.
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTcpServer } from "node:net";

/** Largest answer of `/bytes/N`. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

const echoPort = Number(process.argv[2]);

const web = createServer(answer);
const echo = createTcpServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.pipe(socket);
});

web.listen(80, "::", () => echo.listen(echoPort, "::", () => process.stdout.write("ready\n")));

process.once("SIGTERM", () => process.exit(0));

function answer(request: IncomingMessage, response: ServerResponse): void {
  const host = (request.headers.host ?? "").replace(/:\d+$/, "");
  const path = request.url ?? "/";
  // One socket serves both families: IPv4 addresses appear mapped (RFC 4291 §2.5.5.2).
  const from = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  process.stdout.write(`${from} ${request.method} http://${host}${path}\n`);
  const bytes = /^\/bytes\/(\d+)$/.exec(path)?.[1];
  if (path === "/drip") drip(response);
  else if (bytes !== undefined) response.end(Buffer.alloc(Math.min(Number(bytes), ANSWER_BYTES_MAX), "x"));
  else page(host, from, response);
}

/** A connection that stays established and busy: what a log-out must cut. */
function drip(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/plain", "cache-control": "no-store" });
  let count = 0;
  const timer = setInterval(() => response.write(`drip ${++count}\n`), 100);
  response.on("close", () => clearInterval(timer));
  response.on("error", () => clearInterval(timer));
}

function page(host: string, from: string, response: ServerResponse): void {
  const name = host.replaceAll(/[^a-z0-9.:-]/gi, "");
  response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
  response.end(
    `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">` +
      `<title>${name}</title><body style="font-family:sans-serif;margin:3rem"><h1>${name}</h1>` +
      `<p id="proof">This page comes from the lab's internet. It sees you as ${from}.</p></body></html>\n`,
  );
}
