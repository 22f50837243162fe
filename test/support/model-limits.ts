import type { Limit } from "../../src/ledger/policy.ts";
import type { ModelPolicy } from "./model-policies.ts";

/** What a line spends, or gives back of what the line with the number `of` spent. */
export type Spending = {
  readonly member: string;
  /** Undefined: points were named. */
  readonly service: string | undefined;
  readonly spent: bigint;
  readonly back: bigint;
  readonly of: bigint;
};

type Spender = Pick<Spending, "member" | "service">;
type Lines = readonly { readonly spending?: Spending }[];

/** How many of these points the limits leave, which are of all time in the model's tests. */
export function within(
  policies: readonly ModelPolicy[],
  lines: Lines,
  { points, ...spender }: Spender & { readonly points: bigint },
): bigint {
  const lefts = policies.flatMap(({ rule, from }) => {
    if (rule.kind !== "limit" || !binds(rule, spender)) return [];
    const sum = counted(rule, lines.slice(Number(from)), { spender, from });
    return [rule.points > sum ? rule.points - sum : 0n];
  });
  return lefts.reduce((least, left) => (left < least ? left : least), points);
}

/** @param lines those after the entry `from` */
function counted(
  limit: Limit,
  lines: Lines,
  { spender, from }: { readonly spender: Spender; readonly from: bigint },
): bigint {
  let since: bigint | undefined;
  let sum = 0n;
  for (const [at, { spending }] of lines.entries()) {
    if (spending === undefined || !binds(limit, spending)) continue;
    if (limit.eachMember && spending.member !== spender.member) continue;
    if (spending.spent > 0n) since ??= from + BigInt(at) + 1n;
    sum += spending.spent;
    const isCounted = since !== undefined && spending.of >= since;
    if (isCounted) sum = sum > spending.back ? sum - spending.back : 0n;
  }
  return sum;
}

function binds({ member, service, eachMember }: Limit, spender: Spender): boolean {
  if (eachMember && spender.member === "") return false;
  if (member !== "" && member !== spender.member) return false;
  return service === "" || service === spender.service;
}
