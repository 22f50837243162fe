import { setTimeout as sleep } from "node:timers/promises";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { GroupBy } from "../../gen/points/v1/ledger_pb.ts";
import { UserError } from "../errors/user-error.ts";
import type { LedgerClient } from "./client.ts";
import { addsUp, type Line, reportLines } from "./report-lines.ts";
import type { Range } from "./report-range.ts";
import { compareTimes, earliestOf, summarize, type Sums } from "./summarize.ts";

/**
 * Whose report it is: one user's, or that of all whose ids begin with a prefix. Both empty: of all users
 * that the caller may see.
 */
type Subject = { readonly userId: string; readonly userIdPrefix: string };

/** A report, as of an instant. Its `userIdPrefix` is the caller's, if no narrower one was asked for. */
export type Report = Subject & {
  readonly ledgerId: string;
  readonly range: Range;
  /** All that was committed before is in it. Unset: the sums are being built, and lack most. */
  readonly caughtUpTo: Timestamp | undefined;
  /** Whether all that was committed up to the end of the range is in it. */
  readonly isComplete: boolean;
  readonly lines: readonly Line[];
  /** Points that Consume and Settle asked for in the range, and that nobody paid, by service. */
  readonly uncovered: ReadonlyMap<string, bigint>;
};

/** Of other kinds it says what is claimed of a lot. */
const SPENDS: ReadonlySet<EntryKind> = new Set([EntryKind.CONSUME, EntryKind.SETTLE]);

/** How often the sums are asked for, until all are of one state of the ledger. */
const ATTEMPTS_MAX = 8;
/** Before the second attempt, and so much more before each after it: the sums move in steps. */
const PAUSE_MS = 100;
/** For all of them together. */
const TIMEOUT_MS = 300_000;
const INSIDE = [GroupBy.KIND, GroupBy.SERVICE, GroupBy.CATEGORY];

/**
 * Asks for the sums before the range, within it, and up to its end, each by a Summarize of its own,
 * and makes the report of them. If something was booked between the three, it asks again.
 *
 * @throws {UserError} if the columns do not add up, however often it asks
 * @throws a ConnectError of the server, or DEADLINE_EXCEEDED after 5 minutes
 */
export async function askReport(
  ledger: LedgerClient,
  range: Range,
  { userId, userIdPrefix: asked }: Subject,
): Promise<Report> {
  const { startTime, endTime } = range;
  const { ledgerId, caller } = await ledger.getLedger({});
  const userIdPrefix = userId === "" ? asked || (caller?.userIdPrefix ?? "") : "";
  const of =
    userId === ""
      ? ({ case: "userIdPrefix", value: userIdPrefix } as const)
      : ({ case: "userId", value: userId } as const);
  const untilMs = performance.now() + TIMEOUT_MS;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    await sleep(PAUSE_MS * attempt);
    const [opening, inside, closing] = await Promise.all([
      summarize(ledger, { of, endTime: startTime, groupBy: [GroupBy.KIND] }, untilMs),
      summarize(ledger, { of, startTime, endTime, groupBy: INSIDE }, untilMs),
      summarize(ledger, { of, endTime, groupBy: [GroupBy.KIND] }, untilMs),
    ]);
    const lines = reportLines({
      opening: opening.sums,
      inside: inside.sums,
      closing: closing.sums,
    });
    if (!addsUp(lines)) continue;
    const caughtUpTo = earliestOf([opening, inside, closing]);
    const isComplete = caughtUpTo !== undefined && compareTimes(caughtUpTo, endTime) >= 0;
    const subject = { ledgerId, userId, userIdPrefix };
    return { ...subject, range, caughtUpTo, isComplete, lines, uncovered: uncoveredIn(inside) };
  }
  const all = `the columns do not add up from the opening to the closing, ${ATTEMPTS_MAX} times`;
  throw new UserError(`${all}: ask again, or for days that are past`);
}

/** Points that were asked for in the days of a report, and that nobody paid. */
export function uncoveredOf({ uncovered }: Report): bigint {
  return [...uncovered.values()].reduce((sum, points) => sum + points, 0n);
}

function uncoveredIn({ sums }: Sums): Map<string, bigint> {
  const uncovered = new Map<string, bigint>();
  for (const { kind, service, uncovered: points } of sums) {
    if (SPENDS.has(kind)) uncovered.set(service, (uncovered.get(service) ?? 0n) + points);
  }
  return uncovered;
}
