import type { Figures } from "./account.ts";
import type { Counts } from "./counts.ts";
import type { Lot } from "./lot.ts";
import type { Micros } from "./time.ts";

/** The most policies of an account. */
export const MAX_POLICIES = 32;

/** A rule that an account lives by, under the name that its caller gave it. */
export type Policy = { readonly name: string; readonly rule: Rule };

/** What a policy does. */
export type Rule = Allowance | Limit | Alert | CreditLine;

/** Gives points at the first instant of each period: see allowance.ts. */
export type Allowance = Pick<Lot, "points" | "priority" | "category" | "services"> &
  Cadence & {
    readonly kind: "allowance";
    readonly life: AllowanceLife;
    /** No period begins from this instant on; null: there is no end. */
    readonly endTime: Micros | null;
  };

/** When periods begin: at `startTime` + k × `every`, for k = 0, 1, …; see calendar.ts. */
export type Cadence = {
  readonly startTime: Micros;
  readonly every: { readonly count: number; readonly unit: CalendarUnit };
  /** A name of the IANA's data base. */
  readonly timeZone: string;
};

/** A day begins at midnight, a week on Monday; see calendar.ts. */
export type CalendarUnit = "day" | "week" | "month" | "year";

/** How long the points of a period live. */
export type AllowanceLife =
  | { readonly kind: "periods"; readonly count: number }
  | { readonly kind: "ttl"; readonly ttl: Micros }
  | { readonly kind: "never" };

/** Bounds what may be spent in a window: see limit.ts. */
export type Limit = {
  readonly kind: "limit";
  readonly points: bigint;
  readonly window: Window;
  /** Only what this member spends counts; empty: what anybody does. */
  readonly member: string;
  /** Whether each member has a count of their own. */
  readonly eachMember: boolean;
  /** Only usage of this service counts; empty: whatever is spent. */
  readonly service: string;
};

/** The calendar's current unit, or all time. */
export type Window =
  | { readonly kind: "calendar"; readonly unit: CalendarUnit; readonly timeZone: string }
  | { readonly kind: "total" };

/** Names itself on the entry by which balance + frozen − debt falls below a number of points. */
export type Alert = { readonly kind: "alert"; readonly below: bigint };

/** Lets `owe` make debt of so many points. */
export type CreditLine = { readonly kind: "creditLine"; readonly points: bigint };

/** A policy of an account, and where it stands. */
export type PolicyState = {
  readonly name: string;
  /** An ended allowance is kept until its next period would have begun: see `putPolicy`. */
  readonly rule: Rule;
  readonly ended: boolean;
  /** The SET_POLICY entry that set it as it is. */
  readonly sequence: bigint;
  /** Of a limit: the SET_POLICY entry from which it counts; counts since before are of another. */
  readonly countsFrom: bigint;
  /** Of an allowance. */
  readonly next: NextPeriod | undefined;
  /** The lots of an allowance by periods that may be open: their expiry wakes nobody. */
  readonly given: readonly bigint[];
  /** Of a limit: the loaded counts, by member; by "" if all members have one together. */
  readonly counts: Counts;
};

/** The next period that an allowance gives. */
export type NextPeriod = {
  /** Its number: 0 is the period that begins at `startTime`. */
  readonly period: number;
  /** Its first instant; null: there is none any more. */
  readonly time: Micros | null;
};

/** The names of the alerts below whose number an account falls from one entry to the next. */
export function alertsOf(
  policies: readonly PolicyState[],
  before: Figures,
  after: Figures,
): readonly string[] {
  const [had, has] = [worthOf(before), worthOf(after)];
  if (has >= had) return [];
  return policies
    .filter(({ rule }) => rule.kind === "alert" && had >= rule.below && has < rule.below)
    .map(({ name }) => name);
}

/** What an account has, spendable or set aside, less what it owes. */
function worthOf({ balance, frozen, debt }: Figures): bigint {
  return balance + frozen - debt;
}

/** How much debt an account's credit lines let it make. */
export function creditLineOf(policies: readonly PolicyState[]): bigint {
  let most = 0n;
  for (const { rule } of policies) {
    if (rule.kind === "creditLine" && rule.points > most) most = rule.points;
  }
  return most;
}
