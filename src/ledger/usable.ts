import { admits, type Service } from "./lot.ts";
import type { Rejection } from "./rejection.ts";
import type { AccountState } from "./state.ts";

/**
 * The points of an account that may be taken for something: its balance, without what is in lots that
 * only other services may take. Everything due is booked.
 */
export function usableFor({ account, lots, otherLots }: AccountState, service: Service): bigint {
  let usable = account.balance;
  for (const lot of lots) if (!admits(lot, service)) usable -= lot.remaining;
  if (otherLots.scoped === 0n || service === undefined) return usable;
  const admitted = service === null ? 0n : (otherLots.scopedOf.get(service) ?? 0n);
  return usable - otherLots.scoped + admitted;
}

/** Refuses to take more points than there are for this. */
export function insufficient(
  state: AccountState,
  required: bigint,
  service: Service,
): Rejection | undefined {
  const shortfall = required - usableFor(state, service);
  return shortfall > 0n ? insufficientBy(state, { required, service, shortfall }) : undefined;
}

/** The refusal of what lacks so many points. */
export function insufficientBy(
  state: AccountState,
  { service, ...lack }: { required: bigint; service: Service; shortfall: bigint },
): Rejection {
  const { balance } = state.account;
  return { reason: "INSUFFICIENT_POINTS", balance, usable: usableFor(state, service), ...lack };
}
