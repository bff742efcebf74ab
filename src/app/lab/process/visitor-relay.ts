/**
 * Runs inside the visitor's namespace and lets the user's own browser be that client: `portal` and `site` are
 * reached as if they were local web sites, `proxy` is a plain web proxy. The only argument is a JSON
 * {@link RelayOrder}. Prints `ready`.
 * @module
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { type OriginMap, toInside, toOutside } from "../origin-map.ts";
import type { RelayOrder } from "../relay-order.ts";

/** Pages are read whole to translate their links; a larger one is passed on as it is. */
const PAGE_BYTES_MAX = 1024 * 1024;

const order: RelayOrder = JSON.parse(process.argv[2] ?? "{}");
const map: OriginMap = [order.portal, order.site];

await serve(order.portal.socket, (incoming, answer) => relay(incoming, answer, order.portal.inside));
await serve(order.site.socket, (incoming, answer) => relay(incoming, answer, order.site.inside));
await serve(order.proxy.socket, forward, tunnel);
process.stdout.write("ready\n");

function serve(
  socket: string,
  onRequest: (incoming: IncomingMessage, answer: ServerResponse) => void,
  onConnect?: (incoming: IncomingMessage, client: Duplex) => void,
): Promise<void> {
  const server = createServer(onRequest);
  if (onConnect) server.on("connect", onConnect);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(socket, resolve);
  return promise;
}

/** One of the two known origins, with links and redirects translated. */
function relay(incoming: IncomingMessage, answer: ServerResponse, origin: string): void {
  const headers: Record<string, string | string[] | undefined> = {
    ...incoming.headers,
    host: new URL(origin).host,
    "accept-encoding": "identity",
  };
  for (const name of ["origin", "referer"]) {
    const value = headers[name];
    if (typeof value === "string") headers[name] = toInside(map, value);
  }
  pass(incoming, answer, new URL(incoming.url ?? "/", origin), headers, true);
}

/** The proxy: the request names the whole address (RFC 9112 §3.2.2). */
function forward(incoming: IncomingMessage, answer: ServerResponse): void {
  const target = URL.parse(incoming.url ?? "");
  if (target?.protocol === "http:")
    pass(incoming, answer, target, { ...incoming.headers, host: target.host }, false);
  else fail(answer, 400, "This is the lab's web proxy; a request must name a whole http:// address.");
}

/** CONNECT (RFC 9110 §9.3.6): bytes both ways. */
function tunnel(incoming: IncomingMessage, client: Duplex): void {
  const target = URL.parse(`http://${incoming.url}`);
  const server = connect(Number(target?.port || 443), target?.hostname ?? "");
  server.once("connect", () => {
    client.write("HTTP/1.1 200 Connection established\r\n\r\n");
    server.pipe(client).pipe(server);
  });
  for (const [one, other] of [
    [server, client],
    [client, server],
  ] as const) {
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
  }
}

function pass(
  incoming: IncomingMessage,
  answer: ServerResponse,
  target: URL,
  headers: Record<string, string | string[] | undefined>,
  translate: boolean,
): void {
  const outgoing = request(target, { method: incoming.method, headers, family: 4 }, (response) => {
    const head = { ...response.headers };
    for (const name of ["location", "refresh"]) {
      const value = head[name];
      if (translate && typeof value === "string") head[name] = toOutside(map, value);
    }
    const isPage =
      head["content-type"]?.startsWith("text/html") && Number(head["content-length"] ?? 0) < PAGE_BYTES_MAX;
    if (translate && isPage) sendPage(response, answer, head);
    else {
      answer.writeHead(response.statusCode ?? 502, head);
      response.pipe(answer);
    }
  });
  outgoing.on("error", (error) =>
    fail(answer, 502, `The visitor cannot reach ${target.host}: ${error.message}.`),
  );
  answer.on("close", () => outgoing.destroy());
  incoming.pipe(outgoing);
}

function sendPage(
  response: IncomingMessage,
  answer: ServerResponse,
  { "content-length": _, "transfer-encoding": __, ...head }: IncomingMessage["headers"],
): void {
  const chunks: Uint8Array[] = [];
  response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  response.on("error", () => answer.destroy());
  response.on("end", () => {
    answer.writeHead(response.statusCode ?? 502, head);
    answer.end(toOutside(map, Buffer.concat(chunks).toString("utf8")));
  });
}

function fail(answer: ServerResponse, status: number, sentence: string): void {
  if (answer.headersSent) {
    answer.destroy();
    return;
  }
  answer.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  answer.end(`${sentence}\n`);
}
