import type { History } from "../load/history.ts";
import type { Complain } from "./check.ts";
import { appliers, type Order } from "./order.ts";

/** Checks authentication: no request sent while its caller was out was answered or applied. */
export function checkWithdrawn(
  { caller: { outs }, asked, opened }: History,
  { sequences }: Order,
  complain: Complain,
): void {
  const wasOut = ({ start }: { readonly start: number }) =>
    outs.some(({ from, upTo }) => from < start && start < upTo);
  for (const one of asked) {
    const { tag, attempts } = one;
    const sequence = sequences.get(tag);
    const answered = attempts.find(
      (attempt) =>
        wasOut(attempt) &&
        (attempt.outcome?.kind === "applied" || attempt.outcome?.kind === "refused"),
    );
    if (answered !== undefined) {
      complain("mismatch", `${tag} was answered while its caller was out`, { tag, sequence });
    }
    const by = appliers(one);
    if (sequence !== undefined && by.length > 0 && by.every(wasOut)) {
      complain("mismatch", `${tag} was applied while its caller was out`, { tag, sequence });
    }
  }
  if (opened.some(wasOut)) complain("mismatch", "it was shown to a caller who was out");
}
