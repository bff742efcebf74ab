import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LinuxAmbient } from "#linux/ambient.ts";
import { type Ambient, StackAmbient } from "./ambient.ts";

const subjects: Record<string, () => Ambient<string>> = {
  StackAmbient: () => new StackAmbient(),
  LinuxAmbient: () => new LinuxAmbient(),
};

for (const [name, make] of Object.entries(subjects)) {
  describe(`${name} as an Ambient`, () => {
    it("get() gives the innermost value, and the outer one again afterwards", () => {
      const ambient = make();
      const seen = ambient.run("outer", () => [
        ambient.get(),
        ambient.run("inner", () => ambient.get()),
        ambient.get(),
      ]);
      assert.deepEqual(seen, ["outer", "inner", "outer"]);
      assert.equal(ambient.get(), undefined);
    });

    it("run() restores the outer value when the action throws", () => {
      const ambient = make();
      assert.throws(() => ambient.run("inner", () => assert.fail("on purpose")));
      assert.equal(ambient.get(), undefined);
    });
  });
}

describe("LinuxAmbient", () => {
  it("get() gives each of two interleaved asynchronous works its own value", async () => {
    const ambient = new LinuxAmbient<string>();
    const work = async (): Promise<string | undefined> => {
      await new Promise((resolve) => setImmediate(resolve));
      return ambient.get();
    };
    assert.deepEqual(await Promise.all([ambient.run("a", work), ambient.run("b", work)]), ["a", "b"]);
  });
});
