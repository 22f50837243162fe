import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { type GroupBy, LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { type Day, dayOf, daysLater, startOf } from "../parts/days.ts";

/** Asks for the sums of all users of the last days, today among them, in the browser's time zone. */
export function useSumsOfDays(days: number, groupBy: readonly GroupBy[]) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const last: Day = dayOf(new Date());
  const first = daysLater(last, 1 - days);
  const query = useQuery(LedgerService.method.summarize, {
    groupBy: [...groupBy],
    startTime: timestampFromDate(startOf(first)!),
    timeZone,
  });
  return { ...query, first, last, timeZone };
}
