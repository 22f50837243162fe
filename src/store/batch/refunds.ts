import { sql } from "kysely";
import { isRefundableKind, type RefundedEntry } from "../../ledger/refundable.ts";
import { type RowKey, rowsOfKeys } from "../driver/columns.ts";
import type { EntryRow } from "../driver/entities.ts";
import type { Run } from "../driver/transaction.ts";
import { KIND_NUMBERS, kindOf } from "../../ledger/entry-kinds.ts";
import { unpackAllocations } from "./packed-allocations.ts";

/** An entry that a command refunds, and its points that were refunded before. */
export type Refundable = {
  readonly userId: string;
  readonly entry: RefundedEntry;
  readonly refunded: bigint;
};

/**
 * Loads the entries of these keys that exist, with what was refunded of them. An entry of a kind that
 * cannot be refunded is without its allocations: they may be thousands, and the refund is refused.
 */
export async function loadRefundables(
  run: Run,
  named: readonly RowKey[],
): Promise<readonly Refundable[]> {
  if (named.length === 0) return [];
  const { rows } = await run(sql<RefundableRow>`
    select user_id, sequence, kind, points, owed, uncovered, from_balance, refers_to, from_claim,
      member, service as used_service,
      case when kind = ${sql.lit(KIND_NUMBERS.settle)} then (
        select service from hold where hold.user_id = entry.user_id and number = entry.refers_to
      ) else service end as service, coalesce(undone.refunded, 0) as refunded,
      case when kind in (${REFUNDABLE}) then allocations end as allocations
    from ${rowsOfKeys(named, "sequence")} as named
    join entry using (user_id, sequence)
    left join undone using (user_id, sequence)`);
  return rows.map((row) => ({
    userId: row.user_id,
    entry: {
      sequence: BigInt(row.sequence),
      kind: kindOf(row.kind),
      points: BigInt(row.points),
      allocations: unpackAllocations(row.allocations),
      owed: BigInt(row.owed ?? 0),
      uncovered: BigInt(row.uncovered ?? 0),
      fromBalance: BigInt(row.from_balance ?? 0),
      refersTo: row.refers_to === null ? null : BigInt(row.refers_to),
      fromClaim: row.from_claim ?? false,
      member: row.member ?? "",
      service: row.service,
      usedService: row.used_service,
    },
    refunded: BigInt(row.refunded),
  }));
}

type RefundableRow = Pick<
  EntryRow,
  | "user_id"
  | "sequence"
  | "kind"
  | "points"
  | "owed"
  | "uncovered"
  | "from_balance"
  | "refers_to"
  | "from_claim"
  | "allocations"
  | "member"
  | "service"
> & {
  readonly refunded: string;
  readonly used_service: string | null;
};

const REFUNDABLE = sql.join(
  Object.values(KIND_NUMBERS)
    .filter((number) => isRefundableKind(kindOf(number)))
    .map((number) => sql.lit(number)),
);
