/**
 * A process for tests of links: joins the bus, does the one thing its task says, and tells its parent when it is
 * ready.
 * @module
 */

import { milliseconds } from "#base/time.ts";
import type { Context } from "#mailbox/listener.ts";
import type { Message } from "#mailbox/message.ts";
import { answer, stop, type VerdictOrLater } from "#mailbox/verdict.ts";
import { joined, type Task } from "./real-process.ts";

const task: Task = JSON.parse(process.argv[2] ?? "{}");
const { bus } = await joined(task.run, task.name);
const address = `${task.mailbox}`;

/** Tells the parent of every message it is shown. */
function listen(message: Message, context: Context): VerdictOrLater {
  process.send?.({ n: message.get("n"), sender: context.sender });
  if (task.answers === "never") return new Promise(() => undefined);
  return task.answers === "stop" ? stop : undefined;
}

async function outcomeOf(to: string): Promise<string> {
  try {
    await bus.call(to, {});
    return "ok";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

if (task.role === "caller") {
  process.setgid?.(task.uid ?? 0);
  process.setuid?.(task.uid ?? 0);
  const outcomes: string[] = [];
  for (const to of task.calls ?? []) outcomes.push(await outcomeOf(to));
  process.send?.(outcomes);
} else if (task.role === "owner") {
  await bus.append(address, "log", () => undefined);
  await bus.provide(address, (message) => answer(message));
} else if (task.role === "observer") {
  await bus.observe(address, "watch", (message, context) => void listen(message, context));
} else {
  await bus.prepend(address, "hook", listen, { timeout: milliseconds(task.timeoutMilliseconds ?? 250) });
}
process.send?.("ready");
