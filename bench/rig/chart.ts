/**
 * Line charts as SVG files that read well on light and dark pages: logarithmic or linear axes, points, a legend below
 * the title. Pure: figures in, text out.
 * @module
 */

export interface Axis {
  /** With its unit: `block size`, `time of a block (us)`. */
  readonly title: string;
  readonly scale: "log2" | "log10" | "linear";
  /** What stands at a tick; the number itself by default. */
  readonly format?: (value: number) => string;
}

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

export interface Chart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

interface Range {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
}

const WIDTH = 760;
const HEIGHT = 460;
const LEFT = 78;
const RIGHT = 34;
/** Below the title and one row of the legend. */
const TOP = 76;
const LEGEND_ROW = 20;
const BOTTOM = 58;
const POINTS_WITH_MARKS_MAX = 60;
const LINEAR_TICKS = 6;
const BINARY_TICKS_MAX = 13;

/** Told apart also without colours: by dashes. Okabe and Ito's palette, lighter on dark pages. */
const STYLES = [
  { light: "#555555", dark: "#c8c8c8", dash: "" },
  { light: "#0072b2", dark: "#56b4e9", dash: "" },
  { light: "#b34700", dark: "#f0955a", dash: "7 3" },
  { light: "#00795a", dark: "#3fcf9f", dash: "2 3" },
  { light: "#a0457e", dark: "#e39cc6", dash: "9 3 2 3" },
  { light: "#8a6d00", dark: "#f0e442", dash: "4 2" },
  { light: "#c02020", dark: "#ff8080", dash: "" },
] as const;

/** Points without a place on a logarithmic axis (zero, negative) are left out. */
export function drawChart(chart: Chart): string {
  const drawable = chart.lines.map((line) => ({
    ...line,
    points: line.points.filter(([x, y]) => fits(chart.x, x) && fits(chart.y, y)),
  }));
  const all = drawable.flatMap((line) => line.points);
  const x = rangeOf(
    chart.x,
    all.map((point) => point[0]),
  );
  const y = rangeOf(
    chart.y,
    all.map((point) => point[1]),
  );
  const names = legendOf(drawable.map((line) => line.name));
  const top = TOP + LEGEND_ROW * (names.at(-1)?.row ?? 0);
  const across = (value: number): number => LEFT + part(chart.x, x, value) * (WIDTH - LEFT - RIGHT);
  const down = (value: number): number => HEIGHT - BOTTOM - part(chart.y, y, value) * (HEIGHT - top - BOTTOM);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">`,
    `<title>${escapeText(chart.title)}</title>`,
    styleSheet(drawable.length),
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}"/>`,
    text("title", LEFT, 26, chart.title),
    ...x.ticks.flatMap((tick) => [
      `<path class="grid" d="M${at(across(tick))} ${top}V${HEIGHT - BOTTOM}"/>`,
      text("middle", across(tick), HEIGHT - BOTTOM + 18, label(chart.x, tick)),
    ]),
    ...y.ticks.flatMap((tick) => [
      `<path class="grid" d="M${LEFT} ${at(down(tick))}H${WIDTH - RIGHT}"/>`,
      text("end", LEFT - 8, down(tick) + 4, label(chart.y, tick)),
    ]),
    `<path class="axis" d="M${LEFT} ${top}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}"/>`,
    text("middle", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, chart.x.title),
    `<g transform="translate(18 ${(top + HEIGHT - BOTTOM) / 2}) rotate(-90)">${text("middle", 0, 0, chart.y.title)}</g>`,
    ...drawable.flatMap((line, index) => drawLine(line, index, across, down)),
    ...names.flatMap(drawName),
    "</svg>\n",
  ].join("\n");
}

/** `1 B`, `4 KiB`, `32 MiB`. */
export function formatBytes(bytes: number): string {
  const power = Math.min(3, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${Number((bytes / 2 ** (10 * power)).toPrecision(3))} ${["B", "KiB", "MiB", "GiB"][power]}`;
}

/** `20 us`, `5 ms`, `1 s`, of seconds. */
export function formatSeconds(value: number): string {
  if (value === 0) return "0";
  const [factor, unit] = value < 1e-3 ? [1e6, "us"] : value < 1 ? [1e3, "ms"] : [1, "s"];
  return `${Number((value * factor).toPrecision(3))} ${unit}`;
}

function fits(axis: Axis, value: number): boolean {
  return Number.isFinite(value) && (axis.scale === "linear" || value > 0);
}

function rangeOf(axis: Axis, values: readonly number[]): Range {
  const least = Math.min(...values);
  const most = Math.max(...values);
  if (values.length === 0) return { low: 1, high: 2, ticks: [] };
  if (axis.scale === "linear") {
    const step = niceStep(most / LINEAR_TICKS);
    const count = Math.max(1, Math.ceil(most / step));
    return { low: 0, high: count * step, ticks: Array.from({ length: count + 1 }, (_, n) => n * step) };
  }
  const base = axis.scale === "log2" ? 2 : 10;
  const power = (value: number): number => Math.log(value) / Math.log(base);
  // A hair of tolerance: a block of three bytes more than a power of two needs no further doubling.
  const from = Math.floor(power(least) + 0.01);
  const to = Math.max(from + 1, Math.ceil(power(most) - 0.01));
  const step = base === 10 ? 1 : Math.ceil((to - from) / BINARY_TICKS_MAX);
  const count = Math.floor((to - from) / step);
  return {
    low: Math.min(base ** from, least),
    high: Math.max(base ** to, most),
    ticks: Array.from({ length: count + 1 }, (_, n) => base ** (from + n * step)),
  };
}

function niceStep(rough: number): number {
  const decade = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5].find((factor) => factor * decade >= rough) ?? 10) * decade;
}

/** Where on its axis a value lies, 0 to 1. */
function part(axis: Axis, { low, high }: Range, value: number): number {
  if (axis.scale === "linear") return (value - low) / (high - low);
  return Math.log(value / low) / Math.log(high / low);
}

function label(axis: Axis, value: number): string {
  return axis.format ? axis.format(value) : String(Number(value.toPrecision(6)));
}

function drawLine(
  line: Line,
  index: number,
  across: (value: number) => number,
  down: (value: number) => number,
): string[] {
  if (line.points.length === 0) return [];
  const places = line.points.map(([x, y]) => `${at(across(x))} ${at(down(y))}`);
  const marks =
    places.length > POINTS_WITH_MARKS_MAX
      ? []
      : places.map((place) => `<path class="mark l${index}" d="M${place}h0"/>`);
  return [`<path class="line l${index}" d="M${places.join("L")}"/>`, ...marks];
}

interface LegendEntry {
  readonly name: string;
  readonly index: number;
  readonly left: number;
  readonly row: number;
}

/** From left to right, in as many rows as it takes. */
function legendOf(names: readonly string[]): LegendEntry[] {
  let left = LEFT;
  let row = 0;
  return names.map((name, index) => {
    const width = 62 + name.length * 7;
    if (left > LEFT && left + width > WIDTH) {
      left = LEFT;
      row++;
    }
    const entry = { name, index, left, row };
    left += width;
    return entry;
  });
}

function drawName({ name, index, left, row }: LegendEntry): string[] {
  const y = 50 + row * LEGEND_ROW;
  return [`<path class="line l${index}" d="M${left} ${y}h30"/>`, text("start", left + 37, y + 4, name)];
}

function styleSheet(count: number): string {
  const lines = STYLES.slice(0, count);
  const colours = (scheme: "light" | "dark"): string =>
    lines.map((style, index) => `.l${index}{stroke:${style[scheme]}}`).join("");
  const dashes = lines.map(({ dash }, index) => (dash ? `.line.l${index}{stroke-dasharray:${dash}}` : ""));
  return `<style>
text{font:13px system-ui,sans-serif;fill:#222}.title{font-size:16px;font-weight:600}
.middle{text-anchor:middle}.end{text-anchor:end}.page{fill:#fff}
.grid{stroke:#e2e2e2;fill:none}.axis{stroke:#777;fill:none}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.mark{stroke-width:6;stroke-linecap:round}
${dashes.join("")}${colours("light")}
@media (prefers-color-scheme:dark){text{fill:#ddd}.page{fill:#16181c}.grid{stroke:#33373d}.axis{stroke:#999}
${colours("dark")}}
</style>`;
}

function text(kind: string, x: number, y: number, words: string): string {
  return `<text class="${kind}" x="${at(x)}" y="${at(y)}">${escapeText(words)}</text>`;
}

function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escapeText(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
