/**
 * What packetd says of its scripts, as one object each.
 * @module
 */
import { seconds } from "#base/time.ts";
import type { Message } from "#mailbox/message.ts";
import type { Answers } from "#mailbox/registry.ts";
import type { Node } from "../node.ts";

type ListAnswer = Answers<"/packetd/script/list">;

/** The columns that have a place for each script. */
type Column = Exclude<
  {
    [Tag in keyof ListAnswer]: ListAnswer[Tag] extends readonly unknown[] ? Tag : never;
  }[keyof ListAnswer],
  `counter-${string}` | `fault-${string}` | undefined
>;

export interface Fault {
  readonly kind: string;
  readonly place: string;
  readonly message: string;
  readonly count: number;
}

/** A script: its columns, and what belongs to it alone. */
export type ScriptRow = { readonly [Tag in Column]: ListAnswer[Tag][number] } & {
  readonly counters: Readonly<Record<string, number>>;
  readonly faults: readonly Fault[];
};

export interface ScriptList {
  /** packetd's network namespace. */
  readonly namespace: string;
  readonly scripts: readonly ScriptRow[];
}

/** All scripts in the order of their loading. */
export async function readScripts(
  bus: Pick<Node, "call">,
  address: string,
  name?: string,
): Promise<ScriptList> {
  const scripts: ScriptRow[] = [];
  let after: string | undefined;
  for (;;) {
    const answer: Message = await bus.call(address, { name, after }, { timeout: seconds(5) });
    const page = answer.toObject() as unknown as ListAnswer;
    scripts.push(...page.name.map((_, index) => rowOf(page, index)));
    after = page.name.at(-1);
    if (page.more && after !== undefined) continue;
    scripts.sort((left, right) => left.place - right.place);
    return { namespace: page.namespace, scripts };
  }
}

function rowOf(page: ListAnswer, index: number): ScriptRow {
  const name = page.name[index];
  const columns = Object.entries(page)
    .filter(([tag, list]) => Array.isArray(list) && !/^(counter|fault)-/.test(tag))
    .map(([tag, list]) => [tag, (list as readonly unknown[])[index]]);
  const counters = page["counter-script"].flatMap((script, at) =>
    script === name ? [[page["counter-name"][at], page["counter-value"][at]]] : [],
  );
  const faults = page["fault-script"].flatMap((script, at): Fault[] => {
    if (script !== name) return [];
    const [kind = "", place = ""] = [page["fault-kind"][at], page["fault-place"][at]];
    return [{ kind, place, message: page["fault-message"][at] ?? "", count: page["fault-count"][at] ?? 0 }];
  });
  return { ...Object.fromEntries(columns), counters: Object.fromEntries(counters), faults } as ScriptRow;
}
