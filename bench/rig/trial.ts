/**
 * Options of runs that try the measurements out: fewer rounds, some of the experiments. They write no data. Pure.
 * @module
 */

const ONLY = "--only=";
const ROUNDS = "--rounds=";

/** Whether something of this name is wanted: when no `--only` is there, or one that its name has, in either case. */
export function onlyOf(words: readonly string[], name: string): boolean {
  const wanted = words.filter((word) => word.startsWith(ONLY)).map((word) => word.slice(ONLY.length));
  return wanted.length === 0 || wanted.some((word) => name.toLowerCase().includes(word.toLowerCase()));
}

/** What `--rounds` says, 1 or more; `undefined` without it. */
export function roundsOf(words: readonly string[]): number | undefined {
  const word = words.find((one) => one.startsWith(ROUNDS));
  return word === undefined ? undefined : Math.max(1, Math.trunc(Number(word.slice(ROUNDS.length))) || 1);
}

/** Whether what is measured is not the whole. */
export function isTrial(words: readonly string[]): boolean {
  return words.some((word) => word.startsWith(ONLY) || word.startsWith(ROUNDS));
}
