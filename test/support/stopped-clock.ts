import { sql } from "kysely";
import type { Clock } from "../../src/commit/commit.ts";
import { batchMoment } from "../../src/store/driver/clock.ts";
import { toTimestamptz } from "../../src/store/driver/instant.ts";

/** A database clock that is stopped, at an instant in microseconds since 1970. */
export function stoppedClock(micros: bigint): Clock {
  return (run) => batchMoment(run, sql`${toTimestamptz(micros)}::timestamptz`);
}
