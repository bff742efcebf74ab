/**
 * A connection as a picture, as the paper's netplot drew it: time against sequence number, above what the client sends
 * and below what the server does. A packet is a bar as high as its data is long, in the colour of what came before it;
 * the lines on both sides of the packets are what is acknowledged and where the window ends.
 *
 * @module
 */
import type { FlowDelays } from "./delay-analyser.ts";
import type { DelayLane, DelayState } from "./delay-lane.ts";

const WIDTH = 1000;
const PANEL = { height: 300, top: 70, gap: 60 } as const;
const LEFT = 84;
const RIGHT = 24;
const STRIP = 8;
const TICK_COUNT = 6;

const LEGEND: readonly (readonly [className: string, text: string])[] = [
  ["idle", "idle"],
  ["bandwidth", "bandwidth limited"],
  ["window", "window limited"],
  ["wait", "waiting for a reply"],
  ["ack", "acknowledged"],
  ["edge", "end of the window"],
];

const STYLE = `<style>
text{font:13px system-ui,sans-serif;fill:#222}.title{font-size:16px;font-weight:600}
.middle{text-anchor:middle}.right{text-anchor:end}.page{fill:#fff}.grid{stroke:#e4e4e4}.axis{stroke:#777;fill:none}
.idle{stroke:#777}.bandwidth{stroke:#d55e00}.window{stroke:#8e44ad}.ack{stroke:#009e73}.edge{stroke:#0072b2}
.packet{stroke-width:1.6;fill:none}.strip{stroke-width:${STRIP}}.ack,.edge{fill:none;stroke-width:1}
.wait{fill:#f0c419;fill-opacity:.3}
@media (prefers-color-scheme:dark){text{fill:#ddd}.page{fill:#16181c}.grid{stroke:#33373d}.axis{stroke:#999}
.idle{stroke:#999}.window{stroke:#c39bd3}.edge{stroke:#56b4e9}}
</style>`;

/** An SVG file's text. */
export function plotDelays(delays: FlowDelays): string {
  const { client, server, from, to, request, reply, waits } = delays;
  const width = WIDTH - LEFT - RIGHT;
  const duration = Math.max(to - from, 1e-3);
  const across = (time: number): number => LEFT + ((time - from) / duration) * width;
  const below = PANEL.top + PANEL.height + PANEL.gap;
  const height = below + PANEL.height + 60;
  const bands = waits.map(
    (span) =>
      `<rect class="wait" x="${at(across(span.from))}" y="${PANEL.top}" ` +
      `width="${at(across(span.to) - across(span.from))}" height="${PANEL.height}"/>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${client} to ${server}</title>`,
    STYLE,
    `<rect class="page" width="${WIDTH}" height="${height}"/>`,
    `<text class="title" x="${LEFT}" y="24">${client} to ${server}</text>`,
    ...legend(),
    ...ticks(duration / 1000).flatMap((tick) => {
      const x = at(across(from + tick * 1000));
      return [
        `<path class="grid" d="M${x} ${PANEL.top}V${below + PANEL.height}"/>`,
        `<text class="middle" x="${x}" y="${below + PANEL.height + 20}">${tick}</text>`,
      ];
    }),
    `<text class="middle" x="${LEFT + width / 2}" y="${height - 12}">seconds</text>`,
    ...bands,
    ...panel(request, "client sends, bytes", PANEL.top, across),
    ...panel(reply, "server sends, bytes", below, across),
    "</svg>\n",
  ].join("\n");
}

/** One direction between `top` and the panel's height below it. */
function panel(lane: DelayLane, title: string, top: number, across: (time: number) => number): string[] {
  const bottom = top + PANEL.height;
  const most = lane.acknowledgements.reduce((max, one) => Math.max(max, one.edge ?? 0), lane.end);
  // A window that is never filled does not push the packets into a corner.
  const high = Math.max(1, Math.min(most, lane.end * 1.5 + 1));
  const down = (offset: number): number =>
    bottom - STRIP - (Math.min(offset, high) / high) * (PANEL.height - STRIP - 6);
  const right = WIDTH - RIGHT;
  return [
    ...ticks(high).flatMap((tick) => [
      `<path class="grid" d="M${LEFT} ${at(down(tick))}H${right}"/>`,
      `<text class="right" x="${LEFT - 8}" y="${at(down(tick) + 4)}">${tick.toLocaleString("en")}</text>`,
    ]),
    `<path class="axis" d="M${LEFT} ${top}V${bottom}H${right}"/>`,
    `<text x="${LEFT}" y="${top - 8}">${title}</text>`,
    steps("edge", lane, (one) => one.edge, across, down),
    steps("ack", lane, (one) => one.offset, across, down),
    ...lane.packets.map(({ time, offset, lengthBytes, state }) => {
      const x = across(time);
      const [low, up] = [at(down(offset)), at(down(offset + lengthBytes))];
      return `<path class="packet ${state}" d="M${at(x - 2)} ${low}h4m-2 0V${up}m-2 0h4"/>`;
    }),
    ...lane.spans.map(({ from, to, state }) => strip(state, across(from), across(to), bottom - STRIP / 2)),
  ];
}

function strip(state: DelayState, from: number, to: number, y: number): string {
  return `<path class="strip ${state}" d="M${at(from)} ${at(y)}H${at(to)}"/>`;
}

function steps(
  className: string,
  lane: DelayLane,
  pick: (one: DelayLane["acknowledgements"][number]) => number | undefined,
  across: (time: number) => number,
  down: (offset: number) => number,
): string {
  let path = "";
  for (const one of lane.acknowledgements) {
    const value = pick(one);
    if (value === undefined) continue;
    const [x, y] = [at(across(one.time)), at(down(value))];
    path += path === "" ? `M${x} ${y}` : `H${x}V${y}`;
  }
  return `<path class="${className}" d="${path === "" ? "M0 0" : path}"/>`;
}

function legend(): string[] {
  let left = LEFT;
  return LEGEND.flatMap(([className, text]) => {
    const mark =
      className === "wait"
        ? `<rect class="wait" x="${left}" y="36" width="20" height="10"/>`
        : `<path class="${className}" stroke-width="3" d="M${left} 41h20"/>`;
    const words = `<text x="${left + 26}" y="45">${text}</text>`;
    left += 50 + text.length * 7;
    return [mark, words];
  });
}

/** Round numbers from 0 to `most`. */
function ticks(most: number): number[] {
  const rough = most / TICK_COUNT;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * decade >= rough) ?? 10) * decade;
  const count = Math.floor(most / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(6)));
}

function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}
