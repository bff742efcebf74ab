/**
 * Where a process of ours that does not come back stands: asked by its debugger, which answers in the middle of a
 * loop as well.
 * @module
 */
import type { ScriptPlace } from "#script/errors.ts";
import { scriptUrlPath } from "./place.ts";

/** How long the answer is waited for, in milliseconds. */
const ANSWER_MAX = 2000;
/** What {@link markProgress} leaves for the debugger to read. */
const PROGRESS = "metanetProgress";

/** As far as it could be told. */
export interface StuckPlace {
  /** In the script; `undefined` when it stands elsewhere or did not answer. */
  readonly place: ScriptPlace | undefined;
  /** What it said last by {@link markProgress}. */
  readonly progress: number | undefined;
}

/** To be called in the process: how far it is, read when it is stuck. */
export function markProgress(read: () => number): void {
  Object.defineProperty(globalThis, PROGRESS, { configurable: true, get: read });
}

interface CallFrame {
  readonly location: {
    readonly scriptId: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
}

/** @param address of the debugger's socket, as soon as the process has told it. */
export async function findStuckPlace(address: () => string | undefined): Promise<StuckPlace> {
  const nothing: StuckPlace = { place: undefined, progress: undefined };
  const { promise, resolve } = Promise.withResolvers<StuckPlace>();
  const end = setTimeout(resolve, ANSWER_MAX, nothing);
  let socket: WebSocket | undefined;
  const wait = setInterval(() => {
    const url = address();
    if (url === undefined) return;
    clearInterval(wait);
    socket = ask(url, resolve);
  }, 10);
  try {
    return await promise;
  } finally {
    clearTimeout(end);
    clearInterval(wait);
    socket?.close();
  }
}

const ENABLE = 1;
const PAUSE = 2;
const EVALUATE = 3;

function ask(url: string, told: (place: StuckPlace) => void): WebSocket {
  const socket = new WebSocket(url);
  const send = (id: number, method: string, params: object = {}): void =>
    socket.send(JSON.stringify({ id, method, params }));
  let place: ScriptPlace | undefined;
  /** The URLs of scripts by their numbers; frames do not tell them. */
  const urls = new Map<string, string>();
  socket.onerror = () => told({ place: undefined, progress: undefined });
  socket.onopen = () => {
    send(ENABLE, "Debugger.enable");
    send(PAUSE, "Debugger.pause");
  };
  socket.onmessage = ({ data }: MessageEvent) => {
    const message = JSON.parse(String(data));
    if (message.method === "Debugger.scriptParsed") urls.set(message.params.scriptId, message.params.url);
    else if (message.method === "Debugger.paused") {
      place = innermost(message.params.callFrames, urls);
      send(EVALUATE, "Runtime.evaluate", { expression: PROGRESS, returnByValue: true });
    } else if (message.id === EVALUATE) {
      const value: unknown = message.result?.result?.value;
      told({ place, progress: typeof value === "number" ? value : undefined });
    }
  };
  return socket;
}

function innermost(frames: readonly CallFrame[], urls: ReadonlyMap<string, string>): ScriptPlace | undefined {
  for (const { location } of frames) {
    const file = scriptUrlPath(urls.get(location.scriptId) ?? "");
    if (file !== undefined) return { file, line: location.lineNumber + 1, column: location.columnNumber + 1 };
  }
  return undefined;
}
