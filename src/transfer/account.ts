import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { MAX_POINTS, MAX_TOTAL } from "../ledger/account.ts";
import { MAX_OPEN_LOTS } from "../ledger/lot.ts";
import { BadLine, show } from "./bad-line.ts";
import { type Apply, digestOf, requireLimits } from "./operations.ts";
import { inParts, rechargeLot, rechargeSpent } from "./recharge.ts";
import { readTime } from "./time.ts";

/** The most that an account's open lots can hold, each recharged by one operation. */
const MAX_BALANCE = BigInt(MAX_OPEN_LOTS) * MAX_POINTS;

/** The fields of a line. */
export const ACCOUNT_COLUMNS = {
  required: ["user_id", "balance", "total_recharged", "total_consumed", "total_expired"],
  optional: ["expire_time"],
} as const;

/** An account of an older table. The numbers are points. */
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
 * The user of a line. A JSON number becomes its digits.
 *
 * @throws {BadLine} if it is missing, or not 1 to 128 printable ASCII characters without spaces
 */
export function readUserId(fields: Readonly<Record<string, unknown>>): string {
  const userId = textOf(required(fields, "user_id"));
  if (userId === undefined) throw new BadLine("user_id is neither a text nor a number");
  requireLimits(userId, { points: 1n, expireTime: undefined });
  return userId;
}

/**
 * Reads a line.
 *
 * @throws {BadLine} if a field is missing, unknown or wrong, or if they don't add up
 */
export function readAccountLine(fields: Readonly<Record<string, unknown>>): AccountLine {
  const columns: readonly string[] = [...ACCOUNT_COLUMNS.required, ...ACCOUNT_COLUMNS.optional];
  const unknown = Object.keys(fields).filter((name) => !columns.includes(name));
  if (unknown.length > 0) {
    throw new BadLine(`${unknown.join(", ")} means nothing here: a line has ${columns.join(", ")}`);
  }
  const line = {
    userId: readUserId(fields),
    balance: pointsOf(fields, "balance"),
    totalRecharged: pointsOf(fields, "total_recharged"),
    totalConsumed: pointsOf(fields, "total_consumed"),
    totalExpired: pointsOf(fields, "total_expired"),
    expireTime: readTime("expire_time", fields["expire_time"]),
  };
  const { balance, totalRecharged, totalConsumed, totalExpired } = line;
  if (totalRecharged !== balance + totalConsumed + totalExpired) {
    throw new BadLine(
      `total_recharged ${totalRecharged} is not balance ${balance} + total_consumed ` +
        `${totalConsumed} + total_expired ${totalExpired}`,
    );
  }
  if (balance > MAX_BALANCE) {
    throw new BadLine(`balance ${balance} is more than ${MAX_OPEN_LOTS} lots can hold`);
  }
  return line;
}

/** A digest of a line: equal for lines that make equal accounts. */
export function digestOfAccount(line: AccountLine): string {
  const { userId, balance, totalConsumed, totalExpired, expireTime } = line;
  const time = expireTime === undefined ? "never" : `${expireTime.seconds} ${expireTime.nanos}`;
  return digestOf([userId, balance, totalConsumed, totalExpired, time].join(" "));
}

/**
 * Creates an account with these figures. First it recharges, consumes and expires the spent points;
 * then it recharges the balance, and expires it if its time is past. It does not create an account
 * that never had points.
 *
 * @throws {BadLine} if the server refuses one of the operations
 */
export async function makeAccount(line: AccountLine, apply: Apply): Promise<void> {
  const { balance, totalConsumed, totalExpired, expireTime } = line;
  const spent = { consumed: totalConsumed, expired: totalExpired, revoked: 0n };
  await rechargeSpent(spent, apply);
  for (const { part: points, number } of inParts(balance)) {
    await rechargeLot(`balance-${number}`, { points, expireTime }, apply);
  }
}

function pointsOf(fields: Readonly<Record<string, unknown>>, name: string): bigint {
  const value = required(fields, name);
  const text = textOf(value);
  const points = text !== undefined && /^\d{1,16}$/.test(text) ? BigInt(text) : -1n;
  if (points >= 0n && points <= MAX_TOTAL) return points;
  const wanted = `a whole number from 0 to ${MAX_TOTAL}, in digits alone`;
  throw new BadLine(`${name} ${show(value)} is not ${wanted}`);
}

function required(fields: Readonly<Record<string, unknown>>, name: string): unknown {
  const value = fields[name];
  const isThere = value !== undefined && value !== null && value !== "";
  if (!isThere) throw new BadLine(`${name} is missing`);
  return value;
}

/** A text, or the digits of a number; undefined for other types. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  return typeof value === "string" ? value : undefined;
}
