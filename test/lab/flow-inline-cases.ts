/**
 * Flow programs inline, and scripts that make their network a bad one.
 * @module
 */
import { flowScript } from "metanet/flow";
import { type Context, delayed, drop, milliseconds, type Packet, tcp, verdict } from "metanet/script";
import { editsIn } from "./flow-inline-edits.ts";

const CRLF = "\r\n";

/** Edits every ten thousand bytes, both ways. */
export const edits = flowScript((engine) => {
  const monitor = engine.monitor({ filter: "tcp", edits: true });
  monitor.on("newData", "none", (flow, { sender, offset, lengthBytes }) => {
    for (const edit of editsIn(offset, offset + lengthBytes)) {
      flow.end(sender).replace(edit.offset, edit.isRemoved ? 1 : 0, Buffer.from(edit.inserted));
    }
  });
});

/** A header line more in a request, and one less in a response. */
export const headers = flowScript((engine) => {
  const monitor = engine.monitor({ filter: "tcp", edits: true });
  monitor.on("newData", "none", (flow, { sender, offset }) => {
    const piece = flow.end(sender).read();
    const text = piece?.bytes === undefined ? "" : Buffer.from(piece.bytes).toString("latin1");
    if (offset > 0) return;
    if (sender === "client") {
      const at = text.indexOf(CRLF) + CRLF.length;
      flow.client.insert(offset + at, Buffer.from(`X-Inline: yes${CRLF}`));
    } else {
      const found = /X-Secret: .*\r\n/.exec(text);
      if (found) flow.server.remove(offset + found.index, found[0].length);
      const status = text.indexOf("200");
      if (status >= 0) flow.server.replace(offset + status, 3, Buffer.from("203"));
    }
  });
});

/** Lets connections to port 8099 through and no others. */
export const firewall = flowScript((engine) => {
  const monitor = engine.monitor({ filter: "tcp" });
  monitor.on("packet", "sender", (flow) => {
    if (flow.server.port !== 8099) flow.drop();
  });
});

/** Resets a connection at a word of its client. */
export const resets = flowScript((engine) => {
  const monitor = engine.monitor({ filter: "tcp" });
  monitor.on("newData", "none", (flow, { sender }) => {
    const piece = flow.end(sender).read();
    if (piece?.bytes !== undefined && Buffer.from(piece.bytes).includes("FORBIDDEN")) flow.reset();
  });
});

/** Says something to the client in the server's name, when the server has said something. */
export const speaks = flowScript((engine) => {
  const monitor = engine.monitor<number>({ filter: "tcp" });
  monitor.on("newData", "none", (flow, { sender }) => {
    if (sender !== "server" || flow.context === 1) return;
    flow.context = 1;
    flow.server.send(Buffer.from("and more"));
  });
});

/** Reads all bytes, writes none. */
export const reads = flowScript(
  (engine) => {
    const monitor = engine.monitor({ filter: "tcp" });
    monitor.on("newData", "none", (flow, { sender }) => {
      const end = flow.end(sender);
      for (let piece = end.read(); piece !== undefined; piece = end.read()) total += piece.bytes?.length ?? 0;
    });
  },
  { writes: false },
);
let total = 0;

/** Bytes that were read. */
export function bytesRead(): number {
  return total;
}

/** Tells through which isolate each direction of each connection came. */
export function places(packet: Packet, context: Context): void {
  const segment = packet.find(tcp);
  if (segment === undefined) return;
  const client = segment.destinationPort === 8099 ? segment.sourcePort : segment.destinationPort;
  const way = segment.destinationPort === 8099 ? "out" : "back";
  context.map("places", { key: "text", countMax: 4096 }).add(`${client} ${way} ${context.script.isolate}`);
}

/** One packet in fifty is lost, and one in twenty takes longer than those behind it. */
export function loses(_packet: Packet, context: Context) {
  const chance = context.randomInteger(100);
  if (chance < 2) return drop;
  if (chance < 7) return delayed(milliseconds(3), verdict.continue);
  return verdict.continue;
}

export function losesMore(packet: Packet, context: Context) {
  return loses(packet, context);
}
