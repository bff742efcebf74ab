import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProgramImage } from "#io/kernel-programs.ts";
import { programRefused, readVerifierLog } from "./verifier-log.ts";

const FIGURES =
  "processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n";

/** What Linux 6.18 wrote, shortened, and what is read from it. */
const LOGS = [
  {
    what: "a value that may not be returned",
    log: `0: R1=ctx() R10=fp0
; return drop @ a.ts:3
0: (b7) r0 = 3                        ; R0=3
1: (95) exit
At program exit the register R0 has smin=3 smax=3 should have been in [0, 1]
${FIGURES}`,
    reason: "At program exit the register R0 has smin=3 smax=3 should have been in [0, 1]",
    instruction: 1,
  },
  {
    what: "a register that was never set, after another path that was fine",
    log: `0: R1=ctx() R10=fp0
0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2_w=scalar(smin=0,smax=umax=0xffffffff)
1: (15) if r2 == 0x0 goto pc+1        ; R2_w=scalar()
2: (95) exit

from 1 to 3: R1=ctx() R2=0 R10=fp0
3: R1=ctx() R2=0 R10=fp0
3: (0f) r0 += r1
R0 !read_ok
verification time 55 usec
stack depth 0
${FIGURES}`,
    reason: "R0 !read_ok",
    instruction: 3,
  },
  {
    what: "a fault that is found before any instruction is walked",
    log: `last insn is not an exit or jmp\n${FIGURES}`,
    reason: "last insn is not an exit or jmp",
    instruction: undefined,
  },
  {
    what: "an instruction named with its fault",
    log: `unreachable insn 4\n${FIGURES}`,
    reason: "unreachable insn 4",
    instruction: 4,
  },
  {
    what: "a path that was pruned in the end",
    log: `0: (b7) r1 = 0                        ; R1_w=0
1: (85) call bpf_skb_store_bytes#9
program of this type cannot use helper bpf_skb_store_bytes#9
from 1 to 2: safe
${FIGURES}`,
    reason: "program of this type cannot use helper bpf_skb_store_bytes#9",
    instruction: 1,
  },
  { what: "nothing at all", log: "", reason: "it gave no reason", instruction: undefined },
] as const;

describe("readVerifierLog()", () => {
  for (const { what, log, reason, instruction } of LOGS) {
    it(`readVerifierLog() reads ${what}`, () => {
      assert.deepEqual(readVerifierLog(log), { reason, instruction });
    });
  }
});

describe("programRefused()", () => {
  const image: ProgramImage = {
    name: "guard",
    type: "netfilter",
    instructions: new Uint8Array(32),
    relocations: [],
    maps: [],
    lines: [
      { at: 2, file: "guard.ts", line: 9, column: 3, text: "  b();" },
      { at: 0, file: "guard.ts", line: 7, column: 1, text: "a();" },
    ],
  };

  it("programRefused() tells the script's line, whatever the order of the image's", () => {
    const { message, line } = programRefused(image, LOGS[1].log);
    assert.equal(
      message,
      "Cannot load guard: the kernel's verifier refuses it at guard.ts:9:3 `b();`, instruction 3: R0 !read_ok",
    );
    assert.equal(line?.line, 9);
    assert.equal(programRefused(image, LOGS[0].log).line?.line, 7);
  });

  it("programRefused() without an instruction has no line", () => {
    const { message, line, instruction } = programRefused(image, LOGS[2].log);
    assert.equal(message, `Cannot load guard: the kernel's verifier refuses it: ${LOGS[2].reason}`);
    assert.deepEqual([line, instruction], [undefined, undefined]);
  });
});
