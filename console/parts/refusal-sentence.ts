import type { Refusal } from "../../src/client/refusal.ts";
import { REFUSAL_WORDS } from "./refusal-words.ts";

export type RefusalWord = keyof (typeof REFUSAL_WORDS)["en"];

/** Which words say why a call was refused, and which what to do next, if anything. */
export function refusalSentence(refusal: Refusal): {
  readonly why: RefusalWord;
  readonly next: RefusalWord | undefined;
} {
  const variant = variantOf(refusal);
  const why = isWord(variant) ? variant : refusal.reason;
  const next = [`${variant}_next`, `${refusal.reason}_next`].find(isWord);
  return { why, next: isTold(refusal) ? next : undefined };
}

/** Where a reason has facts of which only one is there, that one says more than the reason. */
function variantOf(refusal: Refusal): string {
  const { reason } = refusal;
  const by = (facts: readonly string[]) => {
    const fact = facts.find((name) => refusal[name as keyof Refusal] !== undefined);
    return fact === undefined ? reason : `${reason}_${fact}`;
  };
  switch (reason) {
    case "FIELD_INVALID":
      return by(["tooMuch"]);
    case "ENTRY_NOT_FOUND":
      return by(["requestId"]);
    case "PERMISSION_DENIED":
      return by(["scope", "userIdPrefix", "maxPoints", "authority", "origin"]);
    case "NOT_PROJECTED":
      return by(["key"]);
    case "ACCOUNT_FULL":
      return `${reason}_${refusal.full}`;
    case "REFUND_EXCEEDS_ENTRY":
      return refusal.refundable === 0n ? `${reason}_all` : reason;
    case "REVOKE_EXCEEDS_LOT":
      return refusal.revocable === 0n ? `${reason}_all` : reason;
    case "LIMIT_EXCEEDED":
      return refusal.resetsTime === undefined ? `${reason}_never` : reason;
    default:
      return reason;
  }
}

/** Whether the facts that the next step names are there. */
function isTold(refusal: Refusal): boolean {
  return refusal.reason !== "INTERNAL" || refusal.errorId !== undefined;
}

function isWord(key: string): key is RefusalWord {
  return Object.hasOwn(REFUSAL_WORDS.en, key);
}
