import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { madePoints } from "../parts/made-points.ts";
import { refundableOf } from "../parts/refundable.ts";
import { closingOf, madeLot } from "./fate.ts";
import type { KnownEntry } from "./known-entry.ts";

/** What could be done about an entry as it stands, whoever may. */
export function actsOf(known: KnownEntry): readonly ("refund" | "revoke" | "expire" | "release")[] {
  const { entry, refunded, revoked, lot } = known;
  if (madeLot(entry)) {
    // What is spent can still be revoked: it is claimed, or owed. Only what is there can expire.
    const mayRevoke = revoked < madePoints(entry) ? (["revoke"] as const) : [];
    const mayExpire = lot === undefined || lot.remaining > 0n ? (["expire"] as const) : [];
    return [...mayRevoke, ...mayExpire];
  }
  if (refunded < refundableOf(entry)) return ["refund"];
  return entry.kind === EntryKind.FREEZE &&
    closingOf(known) === undefined &&
    known.openHold !== null
    ? ["release"]
    : [];
}
