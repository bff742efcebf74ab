import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { CompileTarget } from "#script/compiler/target.ts";
import { compileForKernel, scriptProgram } from "./kernel-compile.ts";

const folder = mkdtempSync(join(tmpdir(), "metanet-kernel-compile-"));
after(() => rmSync(folder, { recursive: true, force: true }));

writeFileSync(
  join(folder, "port.ts"),
  `export const PORTS = { dns: 53 } as const;
export function isDns(port: number): boolean { return port === PORTS.dns; }
export const half = (n: number): number => n / 2;
`,
);
writeFileSync(
  join(folder, "guard.ts"),
  `import { drop, ipv4, type Packet, udp } from "metanet/script";
import * as ports from "./port.ts";
import { half, isDns as isQuestion } from "./port.ts";

export function guard(packet: Packet) {
  const datagram = packet.payload(ipv4)?.payload(udp);
  if (datagram && isQuestion(datagram.destinationPort)) return drop;
  if (datagram?.sourcePort === ports.PORTS.dns) return drop;
  return;
}

export function halved(packet: Packet) {
  return half(packet.mark) * 3 > 4 ? drop : undefined;
}
`,
);

const target: CompileTarget = {
  attach: "netfilter",
  first: "network",
  family: "ipv4",
  onError: "accept",
  statistics: false,
};

describe("compileForKernel()", () => {
  it("compiles a function with what it imports, for each target the same every time", () => {
    const tcx: CompileTarget = { ...target, attach: "tcx-ingress" };
    const compile = () => compileForKernel(join(folder, "guard.ts"), "guard", [target, tcx]);
    const [first, second] = compile();
    assert.deepEqual([first?.problems, second?.problems], [[], []]);
    assert.equal(first?.script?.image.type, "netfilter");
    assert.equal(second?.script?.image.type, "tcx-ingress");
    const files = new Set(first?.script?.image.lines.map(({ file }) => file));
    assert.deepEqual([...files].sort(), ["guard.ts", "port.ts"]);
    assert.ok(first?.script?.image.lines.some(({ text }) => text.startsWith("if (datagram && isQuestion")));
    assert.deepEqual(compile(), [first, second]);
  });

  it("tells what does not fit where it stands, also in a module beside", () => {
    const [result] = compileForKernel(join(folder, "guard.ts"), "halved", [target]);
    assert.deepEqual(
      result?.problems.map(({ code, place, construct }) => ({ code, place, construct })),
      [{ code: "kernel-fraction", place: { file: "port.ts", line: 3, column: 44 }, construct: "n / 2" }],
    );
  });

  it("names a function that the script does not export", () => {
    const [result] = compileForKernel(join(folder, "guard.ts"), "nobody", [target]);
    assert.deepEqual(
      result?.problems.map(({ code, why }) => `${code}: ${why}`),
      ["kernel-function: the script exports no nobody"],
    );
  });
});

describe("scriptProgram()", () => {
  it("parses files again that were written again, and no others", () => {
    const [entry, helper] = [join(folder, "again.ts"), join(folder, "helper.ts")];
    writeFileSync(helper, "export const PORT = 53;\n");
    writeFileSync(entry, 'export { PORT } from "./helper.ts";\n');
    const before = scriptProgram(entry).program;
    writeFileSync(helper, "export const PORT = 54;\n");
    const after = scriptProgram(entry).program;
    assert.match(after.getSourceFile(helper)?.text ?? "", /54/);
    assert.equal(after.getSourceFile(entry), before.getSourceFile(entry));
    const libraries = before.getSourceFiles().filter((one) => before.isSourceFileDefaultLibrary(one));
    assert(libraries.length > 0);
    for (const library of libraries) assert.equal(after.getSourceFile(library.fileName), library);
  });
});
