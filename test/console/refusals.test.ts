import { expect, test } from "vitest";
import { ErrorReason } from "../../gen/points/v1/error_reason_pb.ts";
import type { Refusal } from "../../src/client/refusal.ts";
import { refusalSentence } from "../../console/parts/refusal-sentence.ts";
import { REFUSAL_WORDS } from "../../console/parts/refusal-words.ts";

const REASONS = Object.keys(ErrorReason).filter((name) => !/^\d|UNSPECIFIED/.test(name));

test.each(REASONS)("the reason %s has words in both languages", (reason) => {
  for (const words of Object.values(REFUSAL_WORDS)) {
    expect(words).toHaveProperty(reason);
    expect(words[reason as keyof typeof words]).not.toBe("");
  }
});

test.each<[Record<string, unknown>, string, string | undefined]>([
  [
    { reason: "PERMISSION_DENIED", scope: "a" },
    "PERMISSION_DENIED_scope",
    "PERMISSION_DENIED_next",
  ],
  [
    { reason: "PERMISSION_DENIED", maxPoints: 5n },
    "PERMISSION_DENIED_maxPoints",
    "PERMISSION_DENIED_next",
  ],
  [{ reason: "PERMISSION_DENIED" }, "PERMISSION_DENIED", "PERMISSION_DENIED_next"],
  [{ reason: "ENTRY_NOT_FOUND", sequence: 5n }, "ENTRY_NOT_FOUND", undefined],
  [
    { reason: "ENTRY_NOT_FOUND", requestId: "a" },
    "ENTRY_NOT_FOUND_requestId",
    "ENTRY_NOT_FOUND_requestId_next",
  ],
  [
    { reason: "LIMIT_EXCEEDED", resetsTime: "2026-12-01T00:00:00Z" },
    "LIMIT_EXCEEDED",
    "LIMIT_EXCEEDED_next",
  ],
  [{ reason: "LIMIT_EXCEEDED" }, "LIMIT_EXCEEDED", "LIMIT_EXCEEDED_never_next"],
  [{ reason: "ACCOUNT_FULL", full: "lots", limit: 4096n }, "ACCOUNT_FULL_lots", undefined],
  [{ reason: "INTERNAL", errorId: "e1" }, "INTERNAL", "INTERNAL_next"],
  [{ reason: "INTERNAL" }, "INTERNAL", undefined],
  [
    { reason: "REFUND_EXCEEDS_ENTRY", refundable: 0n, required: 0n },
    "REFUND_EXCEEDS_ENTRY_all",
    undefined,
  ],
  [{ reason: "REFUND_EXCEEDS_ENTRY", refundable: 1n }, "REFUND_EXCEEDS_ENTRY", undefined],
  [{ reason: "REVOKE_EXCEEDS_LOT", revocable: 0n }, "REVOKE_EXCEEDS_LOT_all", undefined],
  [{ reason: "LOT_NOT_FOUND", lot: 5n }, "LOT_NOT_FOUND", undefined],
])("%o is said by the fact that it has", (refusal, why, next) => {
  expect(refusalSentence(refusal as Refusal)).toEqual({ why, next });
});
