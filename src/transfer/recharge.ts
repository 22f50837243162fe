import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Shortfall } from "../../gen/points/v1/points_pb.ts";
import { MAX_POINTS, min } from "../ledger/account.ts";
import { BadLine } from "./bad-line.ts";
import type { Apply, Draft } from "./operations.ts";
import type { Taken } from "./totals.ts";

/** Points that burn together and expire together. */
type LotDraft = {
  readonly points: bigint;
  readonly priority?: number;
  readonly category?: string;
  readonly services?: readonly string[];
  /** Undefined: never. */
  readonly expireTime: Timestamp | undefined;
  /** The time to use if `expireTime` is past. */
  readonly orElse?: Timestamp | undefined;
};

/**
 * Recharges a lot. If `expireTime` is past, and `orElse` too if there is one, it recharges the lot
 * without a time, and expires it.
 *
 * Only the server judges times. All attempts have one request id, so only one of them can ever be
 * applied, and a repeat has the same result however late it comes.
 *
 * @throws {BadLine} if the server refuses an operation
 */
export async function rechargeLot(name: string, lot: LotDraft, apply: Apply): Promise<void> {
  const { points, priority = 0, category = "", services = [], expireTime, orElse } = lot;
  const made = { points, priority, category, services: [...services] };
  for (const time of [expireTime, orElse]) {
    if (time === undefined) continue;
    const expiration = { case: "expireTime", value: time } as const;
    const value = { ...made, expiration };
    if (await isApplied(apply(name, { case: "recharge", value }))) return;
  }
  const entry = await apply(name, { case: "recharge", value: made });
  if (expireTime === undefined) return;
  const target = { case: "lot", value: entry!.sequence } as const;
  await apply(`${name}-expired`, { case: "expire", value: { target } });
}

/**
 * Recharges points that an account no longer has, and consumes, expires and revokes them, in as few
 * operations as possible. Each part is spent before the next one comes, since the number of an account's
 * open lots is limited. The names are parts of request ids, and must never change.
 *
 * @param meanwhile runs while the first part is there, if there is any
 */
export async function rechargeSpent(
  { consumed, expired, revoked }: Taken & { readonly expired: bigint },
  apply: Apply,
  meanwhile: () => Promise<void> = async () => {},
): Promise<void> {
  let [toConsume, toRevoke] = [consumed, revoked];
  for (const { part, number } of inParts(consumed + expired + revoked)) {
    await apply(`spent-${number}`, { case: "recharge", value: { points: part } });
    if (number === 1) await meanwhile();
    const consuming = min(part, toConsume);
    const revoking = min(part - consuming, toRevoke);
    const expiring = part - consuming - revoking;
    toConsume -= consuming;
    toRevoke -= revoking;
    if (consuming > 0n) await apply(`consumed-${number}`, take("consumed", consuming));
    if (expiring > 0n) await apply(`expired-${number}`, expire(expiring));
    if (revoking > 0n) await apply(`revoked-${number}`, take("revoked", revoking));
  }
}

/**
 * Takes points that nobody has, so that they become debt. A credit line lets it, as long as it needs.
 *
 * @throws {BadLine} if the server refuses an operation
 */
export async function owe(owed: Taken, apply: Apply): Promise<void> {
  if (owed.consumed > 0n) {
    const rule = { case: "creditLine", value: { points: owed.consumed } } as const;
    await apply("owed-line", { case: "putPolicy", value: { policy: { name: OWED, rule } } });
  }
  for (const kind of ["consumed", "revoked"] as const) {
    for (const { part, number } of inParts(owed[kind])) {
      await apply(`owed-${kind}-${number}`, take(kind, part, Shortfall.OWE));
    }
  }
  if (owed.consumed > 0n) {
    await apply("owed-line-end", { case: "deletePolicy", value: { name: OWED } });
  }
}

/** The name of the policy by which an import makes debt. */
const OWED = "import";

/** Splits points into parts that one operation may move, numbered from 1. */
export function* inParts(points: bigint): Generator<{ part: bigint; number: number }> {
  let left = points;
  for (let number = 1; left > 0n; number++) {
    const part = min(left, MAX_POINTS);
    yield { part, number };
    left -= part;
  }
}

/** An operation that consumes points, or revokes them. */
export function take(kind: keyof Taken, points: bigint, onShortfall?: Shortfall): Draft {
  const shortfall = onShortfall === undefined ? {} : { onShortfall };
  const value = { case: "points", value: points } as const;
  return kind === "consumed"
    ? { case: "consume", value: { cost: value, ...shortfall } }
    : { case: "revoke", value: { target: value, ...shortfall } };
}

function expire(points: bigint): Draft {
  return { case: "expire", value: { target: { case: "points", value: points } } };
}

/** Whether the server refused an operation because its expire_time is past. */
export function isPast(error: unknown): boolean {
  if (!(error instanceof BadLine)) return false;
  return error.refusal?.violations.some(({ field }) => field === "expire_time") ?? false;
}

/** False if the time of a recharge is past, or if another attempt was applied before. */
async function isApplied(applying: Promise<unknown>): Promise<boolean> {
  try {
    await applying;
    return true;
  } catch (error) {
    if (isPast(error) || isReused(error)) return false;
    throw error;
  }
}

/** Whether the request id has made something else. */
export function isReused(error: unknown): boolean {
  return error instanceof BadLine && error.refusal?.reason === "REQUEST_ID_REUSED";
}
