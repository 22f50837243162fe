import type { Guarded } from "./command.ts";
import { entryChanged } from "./guard.ts";
import type { Hold } from "./hold.ts";
import type { Rejection } from "./rejection.ts";
import type { AccountState } from "./state.ts";

/** The hold that a command names, if it is open, or the refusal. */
export function openHold(
  state: AccountState,
  { hold: number, expectedHash }: Guarded & { readonly hold: bigint },
): Hold | Rejection {
  const changed = entryChanged(state, number, expectedHash);
  if (changed !== undefined) return changed;
  const hold = state.holds.find((one) => one.number === number);
  if (hold === undefined) return { reason: "HOLD_NOT_FOUND", hold: number };
  if (hold.status === "expired") return { reason: "HOLD_EXPIRED", hold: number };
  if (hold.status !== "open") return { reason: "HOLD_CLOSED", hold: number, status: hold.status };
  return hold;
}

/** Refuses usage of another service than the hold's. */
export function otherService(hold: Hold, service: string | null): Rejection | undefined {
  if (service === null || hold.service === null || service === hold.service) return undefined;
  const description = `must be ${hold.service}, for whose use the points were set aside`;
  return { reason: "FIELD_INVALID", field: "usage.service", description };
}

/** The account's holds, one of them changed. */
export function withHold(
  { holds }: AccountState,
  hold: Hold,
  change: Partial<Hold>,
): readonly Hold[] {
  return holds.map((one) => (one === hold ? { ...hold, ...change } : one));
}
