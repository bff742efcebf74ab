/**
 * HTTP servers as mailboxes (MetaNet paper §9): a request is a message at NAME/request, the answer a message at the
 * client's own CLIENT/response, and CLIENT/close ends the connection.
 * @module
 */
import { ProtocolViolationError } from "#base/errors.ts";
import type { IpAddress } from "#base/ip-address.ts";
import { type Duration, milliseconds, seconds } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import {
  type HttpEndpoint,
  type HttpRequest,
  type HttpResponse,
  type HttpServers,
  refusal,
} from "#io/http-server.ts";
import { RejectedError } from "#mailbox/errors.ts";
import { Message } from "#mailbox/message.ts";
import { stop } from "#mailbox/verdict.ts";
import type { ObjectTable, SystemObject } from "./object-table.ts";

/** How long an unanswered request, or an answered one that nobody closes, keeps its mailboxes. */
export const CLIENT_LIFETIME: Duration = seconds(25);

/** A close that follows the response within this time takes the connection with it; without one it stays open. */
export const CLOSE_GRACE: Duration = milliseconds(5);

/** Fields of a request that are told; a browser sends a dozen, and a message holds no more than 1024 tuples. */
export const FIELD_COUNT_MAX = 256;

/** Names that can be a tuple's tag in every process: a field `a*b` is left out, or no link could carry the request. */
const FIELD_NAME = /^[a-z0-9_.-]{1,64}$/i;

/** Fields that the server makes itself, whatever a response says. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "transfer-encoding",
  "date",
]);

export interface HttpServerRequest {
  readonly name: string;
  readonly address: IpAddress;
  /** 0 to 65535. */
  readonly port: number;
}

/** Makes the server and its mailboxes; gives where it listens. */
export async function makeHttpServer(
  table: ObjectTable,
  servers: HttpServers,
  wanted: HttpServerRequest,
): Promise<HttpEndpoint> {
  const object = table.make(wanted.name);
  object.sends("request", "request", "A client's request; answer at CLIENT/response, then CLIENT/close.");
  let clientCount = 0;
  try {
    const server = await servers.listen(wanted, (request) => {
      clientCount++;
      return answerByMessage(table, object, `${object.name}/client/${clientCount}`, request);
    });
    object.holds(() => void server.close());
    object.takes("close", "Stop listening and close every connection.", async () => {
      object.close();
      await server.close();
      return stop;
    });
    return server.local;
  } catch (error) {
    object.close();
    throw error;
  }
}

/** One request from its message to the message that answers it. */
function answerByMessage(
  table: ObjectTable,
  server: SystemObject,
  clientname: string,
  request: HttpRequest,
): Promise<HttpResponse> {
  const { bus } = table;
  return new Promise((resolve) => {
    const client = table.make(clientname);
    let response: HttpResponse | undefined;
    const timer = bus.clock.after(CLIENT_LIFETIME, () => finish(UNANSWERED));
    /** Ends the client; what has been answered already stands. */
    const finish = (otherwise: HttpResponse): void => {
      resolve({ ...(response ?? otherwise), close: true });
      client.close();
    };
    client.holds(() => timer.cancel());
    client.takes("response", "The answer: `code`, `data`, and fields under their own names.", (message) => {
      if (response) throw new ProtocolViolationError(`Cannot answer ${clientname}: it has been answered`);
      const given = responseOf(message);
      response = given;
      bus.clock.after(CLOSE_GRACE, () => resolve(given));
      return stop;
    });
    client.takes("close", "Send the answer, and close the connection.", () => {
      finish(UNANSWERED);
      return stop;
    });
    Promise.resolve()
      .then(() => bus.send(`${server.name}/request`, messageOf(clientname, request)))
      .catch((error: unknown) => {
        if (!client.isClosed) finish(error instanceof RejectedError ? refusal(403, error.reason) : UNSERVED);
      });
  });
}

const UNANSWERED: HttpResponse = refusal(503, "Cannot serve the request: nobody answered it");
const UNSERVED: HttpResponse = refusal(503, "Cannot serve the request: nobody takes it");

/**
 * The paper's tuples, and what else a request holds. Fields stand first and under capitalised names, so that nothing
 * a client sends can pass for a tuple of ours.
 */
function messageOf(clientname: string, request: HttpRequest): Message {
  const tuples: (string | Value)[] = [];
  const fields = [...request.headers].filter(([name]) => FIELD_NAME.test(name)).slice(0, FIELD_COUNT_MAX);
  for (const [name, value] of fields) tuples.push(capitalised(name), value);
  tuples.push("Host", request.host, "clientname", clientname, "method", request.method);
  tuples.push("path", request.path, "query", request.query, "body", request.body);
  tuples.push("sockhost", request.local.address.toString(), "sockport", request.local.port);
  tuples.push("peerhost", request.peer.address.toString(), "peerport", request.peer.port);
  return Message.fromTuples(tuples);
}

/** `user-agent` as `User-Agent`. */
function capitalised(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (letters) => letters.toUpperCase());
}

/** `code` and `data` are the status and the body, every capitalised tag a field. */
function responseOf(message: Message): HttpResponse {
  const headers: Record<string, string> = {};
  for (const [tag, value] of message) {
    if (/^[A-Z]/.test(tag) && !OWN_FIELDS.has(tag.toLowerCase())) headers[tag] = String(value);
  }
  const code = Number(message.get("code") ?? 200);
  if (!Number.isInteger(code) || code < 200 || code > 599) {
    throw new ProtocolViolationError(`Cannot answer with code ${message.get("code")}: not 200 to 599`);
  }
  const data = message.get("data");
  const body = data instanceof Uint8Array ? data : String(data ?? "");
  return { status: code, headers, body };
}
