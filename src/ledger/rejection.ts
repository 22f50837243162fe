import type { LimitStatus } from "./limit.ts";

/** Why a command was refused. A refused command changed nothing. */
export type Rejection =
  | { readonly reason: "FIELD_INVALID"; readonly field: string; readonly description: string }
  | { readonly reason: "ACCOUNT_NOT_FOUND"; readonly userId: string }
  | { readonly reason: "LOT_NOT_FOUND"; readonly lot: bigint }
  | { readonly reason: "HOLD_NOT_FOUND"; readonly hold: bigint }
  | { readonly reason: "ENTRY_NOT_FOUND"; readonly sequence: bigint }
  | {
      readonly reason: "ENTRY_CHANGED";
      readonly sequence: bigint;
      /** In hexadecimal: what the caller gave, and what the entry has. */
      readonly expectedHash: string;
      readonly hash: string;
    }
  | { readonly reason: "SERVICE_NOT_PRICED"; readonly service: string }
  | {
      readonly reason: "REQUEST_ID_REUSED";
      readonly requestId: string;
      /** The entry that the id made first, if it made one. */
      readonly sequence: bigint | undefined;
    }
  | {
      /** The caller may not move this many points at once. */
      readonly reason: "PERMISSION_DENIED";
      readonly maxPoints: bigint;
      readonly required: bigint;
    }
  | {
      readonly reason: "INSUFFICIENT_POINTS";
      readonly balance: bigint;
      /** What of the balance the command may take: see `usableFor`; of a lot's revocation, what it has. */
      readonly usable: bigint;
      readonly required: bigint;
      /** What `usable` lacks, and the account may not owe. */
      readonly shortfall: bigint;
    }
  | ({ readonly reason: "LIMIT_EXCEEDED"; readonly required: bigint } & Omit<
      LimitStatus,
      "name"
    > & {
        /** The policy's name. */
        readonly limit: string;
      })
  | { readonly reason: "HOLD_CLOSED"; readonly hold: bigint; readonly status: string }
  | { readonly reason: "HOLD_EXPIRED"; readonly hold: bigint }
  | { readonly reason: "HOLD_EXCEEDED"; readonly held: bigint; readonly required: bigint }
  | {
      readonly reason: "REFUND_EXCEEDS_ENTRY";
      readonly sequence: bigint;
      /** The points of the entry that are not yet refunded. */
      readonly refundable: bigint;
      readonly required: bigint;
    }
  | {
      readonly reason: "REVOKE_EXCEEDS_LOT";
      readonly lot: bigint;
      /** The points of the lot that are not yet revoked. */
      readonly revocable: bigint;
      readonly required: bigint;
    }
  | { readonly reason: "ENTRY_NOT_REFUNDABLE"; readonly sequence: bigint; readonly kind: string }
  | {
      readonly reason: "ACCOUNT_FULL";
      /** The kind of thing of which the account has the most that it may. */
      readonly full: "lots" | "holds" | "policies";
      readonly limit: number;
    }
  | { readonly reason: "POLICY_NOT_FOUND"; readonly name: string }
  | { readonly reason: "TOTAL_TOO_LARGE"; readonly total: string; readonly limit: bigint };

/** Refuses a command that moves more points than its caller may. */
export function overMaxPoints(
  { maxPoints }: { readonly maxPoints?: bigint | undefined },
  required: bigint,
): Rejection | undefined {
  if (maxPoints === undefined || required <= maxPoints) return undefined;
  return { reason: "PERMISSION_DENIED", maxPoints, required };
}

/** Whether a value is a refusal; every result has another shape. */
export function isRejection<T extends object>(value: T | Rejection): value is Rejection {
  return "reason" in value;
}
