import type { Encoder } from "../encoding/encoder.ts";
import { isScoped } from "./lot.ts";
import type { Allowance, CalendarUnit, Limit, Rule, Window } from "./policy.ts";

/**
 * Writes what is hashed of a policy in an entry, by the field numbers of Policy of the contract. A
 * rule that ends is left out. The numbers of an alert and of a credit line are written also if they
 * are 0, so that such a rule is not taken for none. The member of a limit is not in it: it is the
 * entry's own, and so in its personal digest.
 */
export function writePolicy(
  to: Encoder,
  { name, rule }: { readonly name: string; readonly rule: Rule | null },
): void {
  to.text(1, name);
  switch (rule?.kind) {
    case undefined:
      return;
    case "allowance":
      to.message(2, rule, writeAllowance);
      return;
    case "limit":
      to.message(3, rule, writeLimit);
      return;
    case "alert":
      to.message(4, rule, (fields, { below }) => fields.text(1, String(below)));
      return;
    case "creditLine":
      to.message(5, rule, (fields, { points }) => fields.text(1, String(points)));
      return;
  }
}

function writeAllowance(to: Encoder, allowance: Allowance): void {
  const { points, every, startTime, timeZone, life, priority, category, services } = allowance;
  to.number(1, points)
    .message(2, every, (fields, { count, unit }) =>
      fields.number(1, BigInt(count)).number(2, UNIT_NUMBERS[unit]),
    )
    .number(3, startTime)
    .text(4, timeZone);
  if (life.kind === "periods") to.number(5, BigInt(life.count));
  if (life.kind === "ttl") to.number(6, life.ttl * 1_000n);
  if (life.kind === "never") to.number(7, 1n);
  to.number(8, BigInt(priority)).text(9, category);
  if (isScoped(allowance)) to.texts(10, services);
  to.number(11, allowance.endTime);
}

function writeLimit(to: Encoder, { points, window, eachMember, service }: Limit): void {
  to.number(1, points)
    .message(2, window, writeWindow)
    .number(4, eachMember ? 1n : 0n)
    .text(5, service);
}

function writeWindow(to: Encoder, window: Window): void {
  if (window.kind === "total") to.number(2, 1n);
  else to.number(1, UNIT_NUMBERS[window.unit]).text(3, window.timeZone);
}

/** The numbers of the contract's CalendarUnit. */
export const UNIT_NUMBERS = {
  day: 1n,
  week: 2n,
  month: 3n,
  year: 4n,
} as const satisfies Record<CalendarUnit, bigint>;
