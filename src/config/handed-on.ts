import { readFileSync } from "node:fs";

// Where several processes serve on one port, the one that started them reads the files that the
// configuration names, and hands on their texts once they are found right. So all serve by the same,
// and one that starts later does not fail on a file that was broken meanwhile.

/** What is in force of files, by their paths. */
export type Texts = Readonly<Record<string, string>>;

/**
 * The text of a file; in a worker, what was handed on to it.
 *
 * @throws as `readFileSync` does
 */
export function readText(path: string): string {
  const text = handedOn[path] ?? readFileSync(path, "utf8");
  lastRead.set(path, text);
  return text;
}

/** The texts that are read while `check` runs, if it does not throw. */
export function textsReadBy(check: () => void): Texts {
  lastRead.clear();
  check();
  return Object.fromEntries(lastRead);
}

/** Takes what is handed on for the files from now on, and tells those whom it concerns. */
export function takeTexts(texts: Texts): void {
  const isNew = Object.keys(texts).some((path) => texts[path] !== handedOn[path]);
  handedOn = texts;
  if (!isNew) return;
  for (const { files, tell } of listeners) if (files === undefined || isStale(files)) tell();
}

/**
 * Tells of new texts of these files, at once if there are some since they were read.
 *
 * @param files undefined: any
 * @returns how to stop
 */
export function onHandedOn(files: readonly string[] | undefined, tell: () => void): () => void {
  const listener = { files, tell };
  listeners.add(listener);
  if (files !== undefined && isStale(files)) tell();
  return () => void listeners.delete(listener);
}

type Listener = { readonly files: readonly string[] | undefined; readonly tell: () => void };

const listeners = new Set<Listener>();
const lastRead = new Map<string, string>();
let handedOn: Texts = {};

function isStale(files: readonly string[]): boolean {
  return files.some((path) => handedOn[path] !== lastRead.get(path));
}
