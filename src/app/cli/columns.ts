/**
 * Answers that come as lists of the same length, a page at a time, turned into rows.
 * @module
 */
import { seconds } from "#base/time.ts";
import type { Scalar, Value } from "#base/value.ts";
import type { Message } from "#mailbox/message.ts";
import type { Node } from "../node.ts";

/** One row: a value for each list of the answer. */
export type Row = { readonly [tag: string]: Scalar };

/** How the next page is asked for: the value for `after`, and whether there is one. */
type NextPage = (answer: Message, rows: readonly Row[]) => Scalar | undefined;

/** Every row of a mailbox that answers in columns. */
export async function readRows(
  bus: Node,
  address: string,
  fields: { readonly [tag: string]: Value },
  next: NextPage,
): Promise<Row[]> {
  const rows: Row[] = [];
  let after: Scalar | undefined;
  do {
    const asked = after === undefined ? fields : { ...fields, after };
    const answer: Message = await bus.call(address, asked, { timeout: seconds(5) });
    const page = rowsOf(answer);
    rows.push(...page);
    after = page.length > 0 ? next(answer, page) : undefined;
  } while (after !== undefined);
  return rows;
}

function rowsOf(answer: Message): Row[] {
  const lists = [...answer].filter((entry): entry is [string, readonly Scalar[]] => Array.isArray(entry[1]));
  const [first] = lists;
  return (first?.[1] ?? []).map((_, index) =>
    Object.fromEntries(lists.map(([tag, list]) => [tag, list[index] ?? null])),
  );
}

/** A number of bytes for people: `1.2 MB`, in powers of ten as tariffs count. */
export function formatBytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = count;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
