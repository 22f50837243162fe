import { expect } from "vitest";
import type { Answer } from "../../src/ledger/batch.ts";
import { isRejection, type Rejection } from "../../src/ledger/rejection.ts";
import type { Expected } from "./model.ts";

/** Fails if the ledger's answer differs from the model's. */
export function expectSame(actual: Answer | Rejection, expected: Expected): void {
  expect(summaryOf(actual)).toEqual(expected);
}

function summaryOf(actual: Answer | Rejection): Expected {
  if (isRejection(actual)) return { reason: actual.reason };
  const { entry, account, replayed, created } = actual;
  const { sequence, balance, frozen } = account;
  const { totalRecharged, totalConsumed, totalExpired, totalRefunded, totalRevoked, debt } =
    account;
  const { points = 0n, settled = 0n, allocations = [] } = entry?.holdAfter ?? {};
  const { owed = 0n, uncovered = 0n, repaid = 0n, fromBalance = 0n } = entry ?? {};
  return {
    kind: entry?.kind,
    points: entry?.points ?? 0n,
    allocations: entry?.allocations ?? [],
    debts: { owed, uncovered, repaid, fromBalance },
    keptOpen: entry?.keptOpen ?? false,
    policy: entry?.policy ?? null,
    alerts: entry?.alerts ?? [],
    member: entry?.member ?? "",
    cause: entry?.cause ?? "",
    hold: entry?.kind === "extend" ? { points, settled, allocations } : undefined,
    time: entry?.time,
    account: {
      sequence,
      balance,
      frozen,
      totalRecharged,
      totalConsumed,
      totalExpired,
      totalRefunded,
      totalRevoked,
      debt,
    },
    replayed,
    created,
  };
}
