import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { EntryKind } from "../../gen/points/v1/account_pb.ts";
import {
  GroupBy,
  type LedgerService,
  SumSchema,
  type SummarizeRequest,
} from "../../gen/points/v1/ledger_pb.ts";
import { type Caller, callerKey } from "../auth/caller.ts";
import { prefixFor, requireUser } from "../auth/rules.ts";
import { apiError, invalidField, notProjected, tooMuchAsked } from "../errors/api-error.ts";
import { isTimeZone } from "../ledger/calendar.ts";
import { type Dimension, readSums, type Sum, SUMS_MAX, type Whose } from "../store/reads/sums.ts";
import type { LedgerBackend } from "./ledger-backend.ts";
import { instantOf, toTimestamp } from "./timestamps.ts";

type Handlers = Pick<ServiceImpl<typeof LedgerService>, "summarize">;

/** The handler of Summarize. */
export function summarize({ laggingSums }: LedgerBackend): Handlers {
  return {
    async summarize(request, { values }) {
      const { startTime, endTime, groupBy, timeZone } = request;
      if (timeZone !== "" && !isTimeZone(timeZone)) {
        throw invalidField("time_zone", 'must be a name of IANA\'s, such as "Asia/Shanghai"');
      }
      const query = {
        of: whoseOf(request, values.get(callerKey)),
        from: quarterOf(startTime, "start_time"),
        to: quarterOf(endTime, "end_time"),
        by: groupBy.map((group) => DIMENSIONS.get(group)!),
        timeZone: timeZone || "UTC",
      };
      const read = await laggingSums.read(({ run }) => readSums(run, query));
      const { isBegun, caughtUpTo, sums, tooMuch } = read;
      if (!isBegun) throw notProjected("projection");
      if (tooMuch !== undefined) throw tooMuchAsked(tooMuch);
      if (sums.length > SUMS_MAX) throw tooMuchAsked("sums");
      const shown = sums.map(toSumMessage);
      return { sums: shown, ...(caughtUpTo !== null && { caughtUpTo: toTimestamp(caughtUpTo) }) };
    },
  };
}

/** @throws PERMISSION_DENIED */
function whoseOf({ of }: SummarizeRequest, caller: Caller): Whose {
  if (of.case !== "userId") return { userIdPrefix: prefixFor(caller, of.value ?? "") };
  requireUser(caller, of.value);
  return { userId: of.value };
}

const QUARTER = 900_000_000n;

/** @throws FIELD_INVALID */
function quarterOf(time: Timestamp | undefined, field: string): bigint | undefined {
  const instant = instantOf(time, field);
  if (instant === undefined) return undefined;
  if (instant % QUARTER !== 0n) {
    throw invalidField(field, 'must be a whole quarter of an hour, such as "2026-11-01T00:15:00Z"');
  }
  return instant / QUARTER;
}

const DIMENSIONS: ReadonlyMap<GroupBy, Dimension> = new Map([
  [GroupBy.DAY, "day"],
  [GroupBy.KIND, "kind"],
  [GroupBy.SERVICE, "service"],
  [GroupBy.CALLER, "caller"],
  [GroupBy.CATEGORY, "category"],
  [GroupBy.MEMBER, "member"],
]);

const INT64_MAX = 2n ** 63n - 1n;

/** @throws TOTAL_TOO_LARGE */
function toSumMessage(sum: Sum) {
  for (const total of ["points", "owed", "uncovered", "repaid"] as const) {
    if (sum[total] > INT64_MAX) throw tooLarge(total);
  }
  return create(SumSchema, { ...sum, kind: sum.kind as EntryKind });
}

function tooLarge(total: string) {
  const message = `the sum of ${total} is above ${INT64_MAX}: ask for less time`;
  const metadata = { total, limit: String(INT64_MAX) };
  return apiError({ code: Code.OutOfRange, reason: "TOTAL_TOO_LARGE", message, metadata });
}
