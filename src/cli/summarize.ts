import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { GroupBy, Sum, SummarizeRequest } from "../../gen/points/v1/ledger_pb.ts";
import { refusalOf } from "../client/refusal.ts";
import type { LedgerClient } from "./client.ts";

/** Sums, and how far they are; undefined: they are being built. */
export type Sums = { readonly sums: readonly Sum[]; readonly caughtUpTo: Timestamp | undefined };

/** What is asked for: a Summarize with an end. */
type Asked = {
  readonly of: SummarizeRequest["of"];
  readonly groupBy: GroupBy[];
  readonly startTime?: Timestamp;
  readonly endTime: Timestamp;
};

// Sums over many users' quarters of an hour take their time.
const CALL_MAX_MS = 60_000;
const QUARTER_SECONDS = 900n;

/**
 * Asks for sums. What is too much for a server to add up at once is asked for in halves of the time: so
 * there may be several sums of the same, which are to be added.
 *
 * @param untilMs when it has to end, by `performance.now()`
 */
export async function summarize(
  ledger: LedgerClient,
  asked: Asked,
  untilMs: number,
): Promise<Sums> {
  try {
    // 0 would be no limit.
    const leftMs = Math.max(1, Math.ceil(untilMs - performance.now()));
    const timeoutMs = Math.min(leftMs, CALL_MAX_MS);
    const { sums, caughtUpTo } = await ledger.summarize(asked, { timeoutMs });
    return { sums, caughtUpTo };
  } catch (error) {
    const middle = middleOf(asked);
    if (middle === undefined || !isTooMuch(error)) throw error;
    const earlier = await summarize(ledger, { ...asked, endTime: middle }, untilMs);
    const later = await summarize(ledger, { ...asked, startTime: middle }, untilMs);
    const sums = [...earlier.sums, ...later.sums];
    return { sums, caughtUpTo: earliestOf([earlier, later]) };
  }
}

/** How far all of them are; undefined if one is being built. */
export function earliestOf(
  all: readonly { readonly caughtUpTo?: Timestamp | undefined }[],
): Timestamp | undefined {
  const times = all.flatMap(({ caughtUpTo }) => caughtUpTo ?? []);
  return times.length < all.length ? undefined : times.toSorted(compareTimes)[0];
}

/** The order of instants. */
export function compareTimes(a: Timestamp, b: Timestamp): number {
  return Number(a.seconds - b.seconds) || a.nanos - b.nanos;
}

/** A whole quarter of an hour within the time, of which both ends are whole; undefined: none is. */
function middleOf({ startTime, endTime }: Asked): Timestamp | undefined {
  const first = (startTime?.seconds ?? 0n) / QUARTER_SECONDS;
  const end = endTime.seconds / QUARTER_SECONDS;
  if (end - first < 2n) return undefined;
  return create(TimestampSchema, { seconds: ((first + end) / 2n) * QUARTER_SECONDS });
}

function isTooMuch(error: unknown): boolean {
  const refusal = refusalOf(error);
  return refusal?.reason === "FIELD_INVALID" && refusal.tooMuch === "time";
}
