/**
 * Wrong checksums under the policy `auto`: of captures that have no right ones, and of packets that are wrong among right
 * ones.
 * @module
 */
import { describe } from "node:test";
import { testCases } from "../support/flow-cases.ts";

describe("checksums auto", () => {
  testCases([
    {
      name: "a capture in which none is right is taken as it is, from its first packet on",
      policy: { checksums: "auto" },
      packets: (talk) => [
        talk.syn({ badChecksum: true }),
        talk.synAck({ badChecksum: true }),
        talk.client("hello", { badChecksum: true }),
      ],
      events: "connectionEnd",
      log: ["end end-of-input"],
      client: "hello",
    },
    {
      name: "a wrong one behind right ones is left out",
      policy: { checksums: "auto" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("evil", { badChecksum: true }),
        talk.client("good", { at: 0 }),
      ],
      client: "good",
    },
  ]);
});
