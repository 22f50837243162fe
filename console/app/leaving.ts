import { useBlocker } from "@tanstack/react-router";
import { useEffect } from "react";

const questions = new Set<string>();

/** Asks whoever wants to sign out, where something on the page would be lost. */
export function mayLeave(): boolean {
  return [...questions].every((question) => globalThis.confirm(question));
}

/**
 * Asks before the page is left, reloaded (in the browser's own words) or signed out of.
 *
 * @param question undefined: nothing would be lost
 */
export function useAskBeforeLeaving(question: string | undefined): void {
  const isAsked = question !== undefined;
  useBlocker({
    disabled: !isAsked,
    enableBeforeUnload: isAsked,
    shouldBlockFn: () => isAsked && !globalThis.confirm(question),
  });
  useEffect(() => {
    if (question === undefined) return undefined;
    questions.add(question);
    return () => void questions.delete(question);
  }, [question]);
}
