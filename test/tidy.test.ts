/**
 * What the compiler and Biome do not see, of every file of the checkout: each says what it is for, each layer
 * and service has its page, every link leads somewhere, and nothing tells of the place where it was written.
 * @module
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { completeLock } from "../tool/lock/complete-lock.ts";

const root = join(import.meta.dirname, "..");
const LINES_MAX = 500;
const LAYER_PAGE_LINES_MAX = 60;
const SERVICE_HEADINGS = ["Name", "Description", "Configuration", "Mailboxes", "Metrics", "Examples"];

/** Every file that belongs to the project, relative to the checkout. */
function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (["node_modules", "dist", ".git", ".cache"].includes(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() && !/\.(node|tgz|png)$/.test(entry.name) ? [path] : [];
  });
}

const files = filesBelow("");
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const scripts = files.filter((file) => /\.(ts|mjs)$/.test(file) || file === "bin/metanet");
const pages = files.filter((file) => file.endsWith(".md"));
const layers: Record<string, { each?: boolean }> = JSON.parse(read("layers.json"));
const hasFiles = (folder: string): boolean => existsSync(join(root, folder)) && filesBelow(folder).length > 0;
const layerFolders = Object.keys(layers)
  .map((name) => `src/${name}`)
  .filter(hasFiles);
const serviceFolders = readdirSync(join(root, "src/service"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => `src/service/${entry.name}`)
  .filter(hasFiles);

/** Fails with the list of what is wrong, so that one run shows everything. */
function none(wrong: readonly string[]): void {
  if (wrong.length > 0) assert.fail(`\n${wrong.join("\n")}`);
}

describe("every script", () => {
  it("opens with a comment that says what it is for and ends with @module", () => {
    // The names of its tests say what a test file is for.
    const sources = scripts.filter((file) => !file.endsWith(".test.ts"));
    none(
      sources.filter((file) => {
        const text = read(file).replace(/^#!.*\n/, "");
        return !/^\/\*\*(?:(?!\*\/)[\s\S])*@module\s*\*\//.test(text);
      }),
    );
  });

  it(`has at most ${LINES_MAX} lines`, () => {
    none(scripts.filter((file) => read(file).split("\n").length - 1 > LINES_MAX));
  });

  it("that is a test holds a test", () => {
    none(
      scripts.filter(
        (file) =>
          file.endsWith(".test.ts") &&
          !/\b(it|test)(\.\w+)?\(|\bContract\(|\bsuite\w*\(|\btestCases\(/.test(read(file)),
      ),
    );
  });

  it("does not switch the compiler or the linter off without a reason", () => {
    const word = `@ts-${"(ignore|nocheck)"}|biome-${"ignore"}(?!-?\\w* [\\w/]+: \\w)`;
    none(scripts.filter((file) => new RegExp(word).test(read(file))));
  });
});

describe("every file", () => {
  // Written in halves, so that this file is not among those it finds.
  const banned: Record<string, string> = {
    [`\\b${"TO"}DO\\b`]: "do it, or open an issue",
    [`\\b${"FIX"}ME\\b`]: "mend it, or open an issue",
    [`\\b${"XX"}X\\b`]: "say what is wrong",
    [`/${"work"}/`]: "a path of the place where it was written",
    [`/${"tmp/brief"}`]: "a path of the place where it was written",
    [`\\.\\./${"shared"}/`]: "a path outside the checkout",
    [`registry\\.${"npmjs"}`]: "the host of a registry",
    [`deb\\.${"debian"}\\.org`]: "the host of a registry",
  };
  for (const [pattern, why] of Object.entries(banned)) {
    it(`is free of ${pattern}: ${why}`, () => {
      const expression = new RegExp(pattern);
      none(files.filter((file) => file !== "package-lock.json" && expression.test(read(file))));
    });
  }

  it("that is text ends with one line feed, without spaces at the end of a line", () => {
    const text = files.filter((file) => /\.(ts|mjs|json|md|c|h|yaml|py|pl|sh)$/.test(file));
    none(text.filter((file) => !/[^\n]\n$/.test(read(file)) || / \n/.test(read(file))));
  });

  it("of package-lock.json tells of no download host and lacks no platform", () => {
    assert.doesNotMatch(read("package-lock.json"), /"resolved"/);
    none(completeLock(JSON.parse(read("package-lock.json"))).added);
  });

  it("that a shebang opens can be executed", () => {
    const opened = files.filter((file) => /^#!\//.test(read(file).slice(0, 3)));
    none(opened.filter((file) => (statSync(join(root, file)).mode & 0o100) === 0));
  });
});

describe("every page", () => {
  it("has one title", () => {
    const titles = (file: string): number => withoutCode(read(file)).match(/^# /gm)?.length ?? 0;
    none(pages.filter((file) => titles(file) !== 1).map((file) => `${file}: ${titles(file)} titles`));
  });

  it("links to files that are there", () => {
    const wrong: string[] = [];
    for (const file of pages) {
      for (const [, target = ""] of withoutCode(read(file)).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^(https?:|mailto:|#)/.test(target)) continue;
        const path = join(dirname(file), target.replace(/#.*$/, ""));
        if (!existsSync(join(root, path))) wrong.push(`${file}: ${target}`);
      }
    }
    none(wrong);
  });

  it(`of a layer is there and has at most ${LAYER_PAGE_LINES_MAX} lines`, () => {
    none(layerFolders.filter((folder) => !existsSync(join(root, folder, "README.md"))));
    none(
      layerFolders.filter((folder) => read(`${folder}/README.md`).split("\n").length > LAYER_PAGE_LINES_MAX),
    );
  });

  it(`of a service is its manual: ${SERVICE_HEADINGS.join(", ")}`, () => {
    const wrong: string[] = [];
    for (const folder of serviceFolders) {
      const path = `${folder}/README.md`;
      const text = existsSync(join(root, path)) ? read(path) : "";
      for (const heading of SERVICE_HEADINGS) {
        if (!new RegExp(`^## ${heading}$`, "m").test(text)) wrong.push(`${path}: no heading ${heading}`);
      }
    }
    none(wrong);
  });
});

function withoutCode(text: string): string {
  return text.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, "").replaceAll(/`[^`\n]*`/g, "");
}
