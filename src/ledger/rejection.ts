/** Why a command was refused. A refused command changed nothing. */
export type Rejection =
  | { readonly reason: "FIELD_INVALID"; readonly field: string; readonly description: string }
  | { readonly reason: "ACCOUNT_NOT_FOUND"; readonly userId: string }
  | { readonly reason: "LOT_NOT_FOUND"; readonly lot: bigint }
  | {
      readonly reason: "REQUEST_ID_REUSED";
      readonly requestId: string;
      /** The entry that the id made first, if it made one. */
      readonly sequence: bigint | undefined;
    }
  | {
      readonly reason: "INSUFFICIENT_POINTS";
      readonly balance: bigint;
      readonly required: bigint;
      readonly shortfall: bigint;
    }
  | { readonly reason: "TOTAL_TOO_LARGE"; readonly total: string; readonly limit: bigint };

/** Tells a refusal from what would have come instead. */
export function isRejection<T extends object>(value: T | Rejection): value is Rejection {
  return "reason" in value;
}
