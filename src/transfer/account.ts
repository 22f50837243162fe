import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { MAX_TOTAL } from "../ledger/account.ts";
import { consumeGone, expireGone, rechargeGone } from "./gone.ts";
import { type Apply, BadLine, digestOf, inParts } from "./operations.ts";

/** An account as an older table has it. All are points, but for the user and the time. */
export type AccountLine = {
  readonly userId: string;
  readonly balance: bigint;
  readonly totalRecharged: bigint;
  readonly totalConsumed: bigint;
  readonly totalExpired: bigint;
  /** When the balance expires; undefined: never. */
  readonly expireTime: Timestamp | undefined;
};

/**
 * Reads the columns `user_id`, `balance`, `total_recharged`, `total_consumed`, `total_expired`, and
 * `expire_time` if it is there; others are left alone.
 *
 * @throws {BadLine} if one is missing or is no number of points, or if they don't add up
 */
export function readAccountLine(fields: Readonly<Record<string, unknown>>): AccountLine {
  const userId = fields["user_id"];
  const isNamed = typeof userId === "number" || (typeof userId === "string" && userId !== "");
  if (!isNamed) throw new BadLine("user_id is missing");
  const line = {
    userId: String(userId),
    balance: pointsOf(fields, "balance"),
    totalRecharged: pointsOf(fields, "total_recharged"),
    totalConsumed: pointsOf(fields, "total_consumed"),
    totalExpired: pointsOf(fields, "total_expired"),
    expireTime: timeOf(fields["expire_time"]),
  };
  const { balance, totalRecharged, totalConsumed, totalExpired } = line;
  if (totalRecharged !== balance + totalConsumed + totalExpired) {
    throw new BadLine(
      `total_recharged ${totalRecharged} is not balance ${balance} + total_consumed ` +
        `${totalConsumed} + total_expired ${totalExpired}`,
    );
  }
  return line;
}

/** Names what a line says: lines of the same digest say the same. */
export function digestOfAccount(line: AccountLine): string {
  const { userId, balance, totalConsumed, totalExpired, expireTime } = line;
  const figures = [balance, totalConsumed, totalExpired, expireTime?.seconds ?? "never"];
  return digestOf([userId, ...figures.map(String)].join(" "));
}

/**
 * Makes an account of these figures: what is gone is recharged, consumed and expired, and then the
 * balance is recharged. An account without any points is not made.
 *
 * @throws {BadLine} if the server refuses one of the operations
 */
export async function makeAccount(line: AccountLine, run: Apply): Promise<void> {
  const { balance, totalConsumed, totalExpired, expireTime } = line;
  await rechargeGone(totalConsumed + totalExpired, run);
  await consumeGone(totalConsumed, run);
  await expireGone(totalExpired, run);
  const expiration = expireTime && ({ case: "expireTime", value: expireTime } as const);
  for (const { part: points, number } of inParts(balance)) {
    const value = { points, ...(expiration && { expiration }) };
    await run(`balance-${number}`, { case: "recharge", value });
  }
}

function pointsOf(fields: Readonly<Record<string, unknown>>, name: string): bigint {
  const value = fields[name];
  const isThere = value !== undefined && value !== null && value !== "";
  if (!isThere) throw new BadLine(`${name} is missing`);
  const isWhole = typeof value === "number" ? Number.isSafeInteger(value) : isDigits(value);
  const points = isWhole ? BigInt(value as number | string) : -1n;
  if (points >= 0n && points <= MAX_TOTAL) return points;
  throw new BadLine(`${name} ${JSON.stringify(value)} is no whole number from 0 to ${MAX_TOTAL}`);
}

function isDigits(value: unknown): boolean {
  return typeof value === "string" && /^\d{1,16}$/.test(value);
}

function timeOf(value: unknown): Timestamp | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  const date = typeof value === "string" && RFC_3339.test(value) ? new Date(value) : undefined;
  if (date !== undefined && !Number.isNaN(date.getTime())) return timestampFromDate(date);
  throw new BadLine(`expire_time ${JSON.stringify(value)} is no time as 2030-01-31T12:00:00Z`);
}

const RFC_3339 = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
