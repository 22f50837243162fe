import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { BadLine } from "./bad-line.ts";
import type { Apply } from "./operations.ts";

/** Points that are to burn together, and expire together. */
export type LotDraft = {
  readonly points: bigint;
  readonly priority?: number;
  /** Undefined: never. */
  readonly expireTime: Timestamp | undefined;
  /** The time to take if that one is past. */
  readonly orElse?: Timestamp | undefined;
};

/**
 * Recharges a lot. Where its time is past, and that of `orElse` if there is one, it is recharged
 * without a time and expired.
 *
 * Times are judged by the server alone. All forms have one request id, so only one of them can ever
 * be applied, and a repeat comes to the same, however late it is.
 *
 * @throws {BadLine} if the server refuses it
 */
export async function rechargeLot(name: string, lot: LotDraft, run: Apply): Promise<void> {
  const { points, priority = 0, expireTime, orElse } = lot;
  for (const time of [expireTime, orElse]) {
    if (time === undefined) continue;
    const expiration = { case: "expireTime", value: time } as const;
    const value = { points, priority, expiration };
    if (await wasTaken(run(name, { case: "recharge", value }))) return;
  }
  const entry = await run(name, { case: "recharge", value: { points, priority } });
  if (expireTime === undefined) return;
  const target = { case: "lot", value: entry!.sequence } as const;
  await run(`${name}-expired`, { case: "expire", value: { target } });
}

/** Not if its time is past, or if another form of it was taken before. */
async function wasTaken(done: Promise<unknown>): Promise<boolean> {
  try {
    await done;
    return true;
  } catch (error) {
    if (isPast(error) || isOther(error)) return false;
    throw error;
  }
}

/** Whether the server refused an operation because its expire_time is past. */
export function isPast(error: unknown): boolean {
  if (!(error instanceof BadLine)) return false;
  return error.refusal?.violations.some(({ field }) => field === "expire_time") ?? false;
}

function isOther(error: unknown): boolean {
  return error instanceof BadLine && error.refusal?.reason === "REQUEST_ID_REUSED";
}
