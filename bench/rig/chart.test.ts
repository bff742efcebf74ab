import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Chart, drawChart, formatBytes, formatSeconds } from "./chart.ts";

const chart: Chart = {
  title: "a < b & c",
  x: { title: "size", scale: "log2", format: formatBytes },
  y: { title: "time", scale: "linear" },
  lines: [
    {
      name: "one",
      points: [
        [1, 0],
        [1024, 10],
      ],
    },
    {
      name: "two",
      points: [
        [0, 5],
        [1024, Number.NaN],
      ],
    },
  ],
};

describe("drawChart()", () => {
  const svg = drawChart(chart);

  it("escapes what people wrote", () => {
    assert.match(svg, /a &lt; b &amp; c/);
  });

  it("puts the ends of a line at the corners of its axes", () => {
    assert.match(svg, /class="line l0" d="M78 402L726 76"/);
  });

  it("leaves out points that have no place on their axis", () => {
    assert.doesNotMatch(svg, /NaN|Infinity/);
    assert.equal(svg.match(/class="mark l1"/g), null);
  });

  it("names every line and both axes, for light and dark pages", () => {
    for (const word of [">one<", ">two<", ">size<", ">time<", "prefers-color-scheme:dark"]) {
      assert.ok(svg.includes(word), word);
    }
  });

  it("breaks a long legend into rows, and begins below them", () => {
    const [line] = chart.lines;
    const lines = Array.from({ length: 7 }, (_, index) => ({
      points: [],
      ...line,
      name: `a long name ${index}`,
    }));
    const wide = drawChart({ ...chart, lines });
    const places = [...wide.matchAll(/<text class="start" x="([\d.]+)" y="(\d+)">a long/g)];
    assert.deepEqual([...new Set(places.map((place) => place[2]))], ["54", "74"]);
    assert(places.every((place) => Number(place[1]) + 7 * "a long name 0".length < 760));
    assert.match(wide, /class="line l6" d="M78 402L726 96"/);
  });

  it("draws an empty chart without a fault", () => {
    assert.doesNotMatch(drawChart({ ...chart, lines: [] }), /NaN|Infinity/);
  });
});

describe("formatBytes() and formatSeconds()", () => {
  it("choose the unit", () => {
    assert.deepEqual([1, 1023, 1024, 1536, 2 ** 25].map(formatBytes), [
      "1 B",
      "1020 B",
      "1 KiB",
      "1.5 KiB",
      "32 MiB",
    ]);
    assert.deepEqual([0, 2e-5, 0.0015, 1.25].map(formatSeconds), ["0", "20 us", "1.5 ms", "1.25 s"]);
  });
});
