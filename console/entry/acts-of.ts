import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { refundableOf } from "../parts/refundable.ts";
import { closingOf, madeLot } from "./fate.ts";
import type { KnownEntry } from "./known-entry.ts";

/** What could be done about an entry as it stands, whoever may. */
export function actsOf(known: KnownEntry): readonly ("refund" | "revoke" | "expire" | "release")[] {
  const { entry, refunded, revoked } = known;
  if (madeLot(entry)) return revoked < entry.points ? ["revoke", "expire"] : ["expire"];
  if (refunded < refundableOf(entry)) return ["refund"];
  return entry.kind === EntryKind.FREEZE &&
    closingOf(known) === undefined &&
    known.openHold !== null
    ? ["release"]
    : [];
}
