/**
 * The wire codec against msgpackr and JSON, the same ten tuples there and back. JSON carries bytes as base64,
 * since it has none.
 * @module
 */
import { Packr } from "msgpackr";
import { decodeTuples, encodeTuples } from "#wire/cbor.ts";
import { measure, type Row, timeRow } from "./measure.ts";
import { sampleMessage, samplePairs } from "./sample.ts";

export async function codecRows(): Promise<Row[]> {
  const { tuples } = sampleMessage();
  const flat = samplePairs().flat();
  const packr = new Packr({ useRecords: false });
  let bytes = 0;
  const measured = await measure([
    {
      name: "msgpackr",
      run: (count) => {
        for (let index = 0; index < count; index++)
          bytes += (packr.unpack(packr.pack(flat)) as unknown[]).length;
      },
    },
    {
      name: "JSON",
      run: (count) => {
        for (let index = 0; index < count; index++) bytes += fromJson(toJson(flat)).length;
      },
    },
    {
      name: "metanet",
      run: (count) => {
        for (let index = 0; index < count; index++) bytes += decodeTuples(encodeTuples(tuples)).length;
      },
    },
  ]);
  if (bytes === 0) throw new Error("Cannot compare codecs: nothing was encoded");
  const [msgpackr, json, ours] = measured;
  if (!msgpackr || !json || !ours) throw new Error("Cannot compare codecs: a subject is missing");
  return [
    timeRow("codec, 10 tuples there and back", ours, msgpackr, 1),
    timeRow("codec, 10 tuples there and back", ours, json, 0.5),
  ];
}

function toJson(flat: readonly unknown[]): string {
  return JSON.stringify(flat, (_, value) =>
    value instanceof Uint8Array ? { b: Buffer.from(value).toString("base64") } : value,
  );
}

function fromJson(text: string): unknown[] {
  return JSON.parse(text, (_, value) =>
    value && typeof value === "object" && "b" in value ? Buffer.from(value.b, "base64") : value,
  );
}
