import { useSyncExternalStore } from "react";
import { remember, remembered } from "../app/browser-store.ts";

/** What was found last in this tab, newest first. A closed tab forgets it. */
export function useRecentFinds(of: string): readonly string[] {
  const kept = useSyncExternalStore(subscribe, read);
  return parse(kept, of);
}

/** @param of who finds it: nobody else who signs in on this tab is shown it */
export function rememberFind(of: string, text: string): void {
  const before = parse(read(), of).filter((find) => find !== text);
  write(JSON.stringify({ of, finds: [text, ...before].slice(0, MAX_FINDS) }));
}

export function forgetFinds(): void {
  write(null);
}

const KEY = "points-recent-finds";
const MAX_FINDS = 10;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function read(): string {
  return remembered("sessionStorage", KEY) ?? "";
}

function write(kept: string | null): void {
  remember("sessionStorage", KEY, kept);
  for (const listener of listeners) listener();
}

function parse(kept: string, of: string): readonly string[] {
  if (kept === "") return [];
  const { of: whose, finds } = JSON.parse(kept) as { of: string; finds: string[] };
  return whose === of ? finds : [];
}
