/**
 * A line for each request and its response, of HTTP/1 on any port: when, who, method, host, path, status, bytes, and how
 * long the first byte took. From reassembled streams, over their gaps.
 *
 * What follows the streams raises {@link exchange}, an event of its own; what prints lines only waits for that. Other
 * programs can do the same: this is where application-layer events come from.
 *
 * @module
 */
import { type Flow, type FlowEngine, type FlowMonitor, floatingEvent, raise, type Side } from "metanet/flow";
import { type HttpHead, HttpMessages } from "./http-messages.ts";
import { nameOf, printLine, timeOfDay } from "./text.ts";

/** A request, and what came of it. */
export interface HttpExchange {
  readonly time: number;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  requestBytes: number;
  /** `undefined` when none came. */
  status: number | undefined;
  responseBytes: number;
  /** Milliseconds from the request's last byte to the response's first. */
  firstByte: number | undefined;
  /** Bytes that the capture misses. */
  missedBytes: number;
}

/** An exchange is over; raised by {@link followHttp} where the bytes were that ended it. */
export const exchange = floatingEvent("newData").carrying<HttpExchange>();
/** The same for those that end with their connection. */
export const lastExchange = floatingEvent("connectionEnd").carrying<HttpExchange>();

/** Requests of one connection that wait for a response at most; what has more is no HTTP. */
const WAITING_COUNT_MAX = 256;

/** The HTTP of one connection. */
class HttpConnection {
  readonly streams: Readonly<Record<Side, HttpMessages>>;
  /** Exchanges that are over. */
  done: HttpExchange[] = [];
  now = 0;
  readonly #waiting: HttpExchange[] = [];
  #lastByte = 0;
  #current: HttpExchange | undefined;

  constructor() {
    this.streams = {
      client: new HttpMessages({
        head: (head) => this.#request(head),
        end: (bodyBytes) => {
          const request = this.#waiting.at(-1);
          if (request !== undefined) request.requestBytes = bodyBytes;
          this.#lastByte = this.now;
        },
      }),
      server: new HttpMessages({
        head: (head) => this.#response(head),
        end: (bodyBytes) => {
          const response = this.#current;
          this.#current = undefined;
          if (response === undefined) return;
          response.responseBytes = bodyBytes;
          this.#waiting.shift();
          this.done.push(response);
        },
      }),
    };
  }

  /** Bytes are missing in what one end has sent. */
  miss(sender: Side, lengthBytes: number): void {
    const hit = sender === "server" ? this.#current : this.#waiting.at(-1);
    if (hit !== undefined) hit.missedBytes += lengthBytes;
    this.streams[sender].gap(lengthBytes);
  }

  /** The connection is over. */
  close(): void {
    this.streams.server.close();
    this.done.push(...this.#waiting.splice(0));
  }

  #request({ startLine: [method = "", path = ""], fields }: HttpHead): undefined {
    if (this.#waiting.length >= WAITING_COUNT_MAX) this.#waiting.shift();
    this.#waiting.push({
      time: this.now,
      method,
      host: fields.get("host") ?? "-",
      path,
      requestBytes: 0,
      status: undefined,
      responseBytes: 0,
      firstByte: undefined,
      missedBytes: 0,
    });
    this.#lastByte = this.now;
    return undefined;
  }

  #response({ startLine }: HttpHead): "none" | undefined {
    const status = Number(startLine[1]);
    const request = this.#waiting[0];
    // 100 and 103 come before the response, and 101 ends HTTP on the connection.
    if (status < 200 && status !== 101) return "none";
    this.#current = request;
    if (request === undefined) return undefined;
    request.status = status;
    request.firstByte = this.now - this.#lastByte;
    return request.method === "HEAD" || status === 204 || status === 304 ? "none" : undefined;
  }
}

/** A monitor that raises {@link exchange} and {@link lastExchange}. */
export function followHttp(engine: FlowEngine, filter = "tcp"): FlowMonitor<HttpConnection> {
  const monitor = engine.monitor<HttpConnection>({ name: "http", filter });
  monitor.on("newData", "none", (flow, event) => {
    if (flow.context === undefined) flow.context = new HttpConnection();
    const { context } = flow;
    const end = flow.end(event.sender);
    context.now = event.now;
    for (let piece = end.read(); piece !== undefined; piece = end.read()) {
      if (piece.bytes !== undefined) context.streams[event.sender].bytes(piece.bytes);
      else context.miss(event.sender, piece.gap);
    }
    for (const one of context.done.splice(0)) raise(event, exchange, one);
  });
  monitor.on("connectionEnd", "none", (flow: Flow<HttpConnection | undefined>, event) => {
    flow.context?.close();
    for (const one of flow.context?.done ?? []) raise(event, lastExchange, one);
  });
  return monitor;
}

/** Prints the lines. */
export function httpLog(
  engine: FlowEngine,
  { print = printLine }: { readonly print?: (line: string) => void } = {},
): void {
  const tell = ({ client }: Flow, { payload }: { readonly payload: HttpExchange }) =>
    print(lineOf(nameOf(client), payload));
  const monitor = followHttp(engine);
  monitor.on(exchange, "none", tell);
  monitor.on(lastExchange, "none", tell);
}

function lineOf(client: string, one: HttpExchange): string {
  const first = one.firstByte === undefined ? "-" : `${one.firstByte.toFixed(1)} ms`;
  const missed = one.missedBytes > 0 ? `, ${one.missedBytes} not seen` : "";
  const bytes = `${one.requestBytes}+${one.responseBytes}`;
  return `${timeOfDay(one.time)} ${client} ${one.method} ${one.host} ${one.path} ${one.status ?? "-"} ${bytes} ${first}${missed}`;
}
