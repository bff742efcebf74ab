import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Packet } from "#packet/packet.ts";
import type { Context } from "#script/context.ts";
import { ScriptLoadError } from "#script/errors.ts";
import { drop } from "#script/verdict.ts";
import { inspectScript, loadScript } from "./modules.ts";
import { formatPlace, placeOf } from "./place.ts";

let folder = "";
let version = 0;

function write(name: string, text: string): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

const context = {} as Context;

describe("loadScript()", () => {
  before(() => {
    // A folder far from any package.json.
    folder = realpathSync(mkdtempSync(join(tmpdir(), "mn-")));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const ending of ["ts", "mts", "js", "mjs"]) {
    it(`loads a .${ending} that lies anywhere, with our entry and modules beside it`, async () => {
      const type = ending.endsWith("ts") ? ": number" : "";
      write(`any/lib.${ending}`, `export const limit${type} = 7;\n`);
      const file = write(
        `any/script.${ending}`,
        `import { drop } from "metanet/script";\nimport { limit } from "./lib.${ending}";\nexport function run(packet) { return limit === 7 ? drop : undefined; }\n`.replace(
          "(packet)",
          type ? "(packet: unknown)" : "(packet)",
        ),
      );
      const { run, functions, files, functionName } = await loadScript(file, "run", ++version);
      assert.equal(run(new Packet(), context), drop);
      assert.deepEqual(functions, ["run"]);
      assert.equal(functionName, "run");
      assert.deepEqual(files, [file, join(folder, `any/lib.${ending}`)]);
    });
  }

  it("gives scripts the classes that we have ourselves", async () => {
    const file = write(
      "own.ts",
      'import { Packet } from "metanet/script";\nexport default () => Packet as never;\n',
    );
    const { run, functionName } = await loadScript(file, undefined, ++version);
    assert.equal(run(new Packet(), context), Packet as never);
    assert.equal(functionName, "default");
  });

  it("reads all modules of a script again for another version, and not for the same", async () => {
    const file = write("again.ts", 'import { n } from "./n.ts";\nexport const run = () => n as never;\n');
    write("n.ts", "export const n = 1;\n");
    const first = ++version;
    assert.equal((await loadScript(file, "run", first)).run(new Packet(), context), 1 as never);
    write("n.ts", "export const n = 2;\n");
    const same = await loadScript(file, "run", first);
    assert.equal(same.run(new Packet(), context), 1 as never);
    assert.equal(same.files.length, 2);
    assert.equal((await loadScript(file, "run", ++version)).run(new Packet(), context), 2 as never);
  });

  it("takes packages from the script's own node_modules, once for all versions", async () => {
    write(
      "p/node_modules/counting/package.json",
      '{ "name": "counting", "type": "module", "exports": "./i.js" }',
    );
    write("p/node_modules/counting/i.js", "let n = 0;\nexport const count = () => ++n;\n");
    const file = write(
      "p/s.ts",
      'import { count } from "counting";\nexport const run = () => count() as never;\n',
    );
    assert.equal((await loadScript(file, "run", ++version)).run(new Packet(), context), 1 as never);
    assert.equal((await loadScript(file, "run", ++version)).run(new Packet(), context), 2 as never);
  });

  it("keeps the places of errors those of the source", async () => {
    const text =
      'interface Big {\n  a: string;\n}\n\nexport function run(packet: Big): never {\n  throw new Error("x");\n}\n';
    const file = write("place.ts", text);
    const { run } = await loadScript(file, "run", ++version);
    try {
      run(new Packet(), context);
      assert.fail("it did not throw");
    } catch (error) {
      assert.deepEqual(placeOf(error), { file, line: 6, column: 9 });
    }
  });

  it("gives the module's options", async () => {
    const file = write(
      "o.ts",
      "export const options = { writes: false, readBytes: 64 };\nexport const f = () => {};\n",
    );
    assert.deepEqual((await loadScript(file, "f", ++version)).options, { writes: false, readBytes: 64 });
    assert.deepEqual((await inspectScript(file, ++version)).functions, ["f"]);
  });

  const refused: [name: string, text: string, message: RegExp, place?: string][] = [
    [
      "syntax",
      "const a: number = ;",
      /syntax error at s\.ts:1:19: Expression expected\n {2}const a: number = ;\n {20}\^/,
      "s.ts:1:19",
    ],
    [
      "twice",
      "\nconst x = 1; const x = 2;",
      /syntax error at s\.ts:2:7: Identifier 'x' has already/,
      "s.ts:2:7",
    ],
    ["await", "export function f() { await 3; }", /syntax error at s\.ts:1:\d+:/],
    ["an early end", "export function f( {\n", /syntax error at s\.ts:2:1: Unexpected token `<eof>`/],
    ["control characters", "\u001b[31m {", /: Unexpected character.*\n {2}\ufffd\[31m \{\n {2}\^/],
    ["enum", "type A = 1;\nexport enum B { C }", /enum at s\.ts:2:8 cannot be run.*as const/, "s.ts:2:8"],
    [
      "parameter property",
      "class A { constructor(private x: number) {} }",
      /parameter property at .*assign it in the constructor/,
    ],
    ["namespace", "namespace N { export const a = 1; }", /namespace declaration at .*module of its own/],
    ["import equals", 'import f = require("fs");', /import equals declaration at .*write `import name from/],
    [
      "no file",
      'import { a } from "./nowhere.ts";\na();',
      /imports '\.\/nowhere\.ts' at s\.ts:1:19: there is no such file/,
      "s.ts:1:19",
    ],
    [
      "no ending",
      'import { a } from "./there";\na();',
      /imports '\.\/there' at s\.ts:1:19: write '\.\/there\.ts'/,
    ],
    ["another ending", 'import { a } from "./there.js";\na();', /write '\.\/there\.ts'/],
    [
      "no package",
      'import a from "no-such-package";\na();',
      /that package is not installed; run `npm install no-such-package`/,
    ],
    ["no entry", 'import { a } from "metanet/scripts";\na();', /there is 'metanet\/script'/],
    ["no module of Node's", 'import a from "node:nothing";\na();', /No such built-in module: node:nothing/],
    [
      "type as value",
      'import { Context } from "metanet/script";\nexport const f = (c: Context) => c;',
      /has no export Context at s\.ts:1:10; if it is a type, write `import \{ type Context \}`/,
    ],
    ["misspelt export", 'import { ipv44 } from "metanet/script";\nipv44();', /did you mean ipv4\?/],
    [
      "throws",
      'function g() {\n  throw new RangeError("boo");\n}\ng();',
      /it throws while it is loaded, at s\.ts:2:9: RangeError: boo/,
      "s.ts:2:9",
    ],
    ["throws nothing much", "throw 7;", /it throws while it is loaded: 7/],
    ["no function", "export const a = 1;", /no export of that name; it exports no function/],
    [
      "no function but the default",
      "export default function snat() {}",
      /no export of that name; it has a default export, taken when none is named/,
    ],
    ["no such function", "export const snatt = () => {};", /did you mean snatt\? its functions are snatt/],
    [
      "no function of that name",
      "export const snat = 3; export function b() {}",
      /the export is no function but of type number; its functions are b/,
    ],
    [
      "options",
      "export const options = { write: true }; export const snat = () => {};",
      /have 'write', which is none/,
    ],
    [
      "options of a wrong type",
      "export const options = { readBytes: 0 }; export const snat = () => {};",
      /readBytes 0, wanted a whole number/,
    ],
  ];
  for (const [name, text, message, place] of refused) {
    it(`refuses a script: ${name}`, async () => {
      write("there.ts", "export const a = () => {};\n");
      const file = write("s.ts", text);
      await assert.rejects(loadScript(file, "snat", ++version), (error: unknown) => {
        assert.ok(error instanceof ScriptLoadError);
        assert.match(error.message, /^Cannot load /);
        assert.match(error.message, message);
        if (place !== undefined) assert.equal(error.place && formatPlace(error.place), place);
        return true;
      });
    });
  }

  it("refuses what is no script", async () => {
    await assert.rejects(loadScript(join(folder, "nowhere.ts"), "f", 1), /there is no such file/);
    await assert.rejects(loadScript(folder, "f", 1), /it is a directory/);
    await assert.rejects(loadScript(write("x.json", "{}"), "f", 1), /it ends in '\.json'/);
    const file = write("none.ts", "export const f = () => {};");
    await assert.rejects(loadScript(file, undefined, ++version), /no default export; its functions are f/);
  });
});
