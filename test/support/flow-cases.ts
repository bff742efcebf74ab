/**
 * A table of stories as tests: one for each case, at all its sequence numbers.
 * @module
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { type StoryCase, tellCase } from "./flow-story.ts";

/** A test for each case: what it gives is compared, what it leaves out is not. */
export function testCases(cases: readonly StoryCase[]): void {
  for (const told of cases) {
    it(told.name, () => {
      tellCase(told, (story, where) => {
        if (told.log !== undefined) assert.deepEqual(story.log, told.log, where);
        if (told.client !== undefined) assert.equal(story.client, told.client, `client, ${where}`);
        if (told.server !== undefined) assert.equal(story.server, told.server, `server, ${where}`);
        if (told.states !== undefined) assert.equal(story.states, told.states, where);
        if (told.flows !== undefined) assert.equal(story.engine.statistics.flowsSeen, told.flows, where);
        assert.equal(story.engine.statistics.heldBytes, 0, `memory, ${where}`);
        assert.equal(story.engine.statistics.errors, 0, where);
      });
    });
  }
}
