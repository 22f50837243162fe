import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { GetOverviewResponseSchema, LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { callerKey } from "../auth/caller.ts";
import { requirePrefix } from "../auth/rules.ts";
import { notProjected } from "../errors/api-error.ts";
import { type Overview, WEEK } from "../store/reads/overview-text.ts";
import { readOverview } from "../store/reads/overview.ts";
import type { LedgerBackend } from "./ledger-backend.ts";
import { toTimestamp } from "./timestamps.ts";

type Handlers = Pick<ServiceImpl<typeof LedgerService>, "getOverview">;

/** The handler of GetOverview. */
export function overview({ orm }: LedgerBackend): Handlers {
  return {
    async getOverview(_, { values }) {
      requirePrefix(values.get(callerKey), "");
      const found = await readOverview(orm);
      if (found === undefined) throw notProjected("overview");
      return toMessage(found);
    },
  };
}

function toMessage({
  asOf,
  endTime,
  sums,
  largest,
}: Overview): MessageInitShape<typeof GetOverviewResponseSchema> {
  const weeks = sums.expiring.map((points, week) => ({
    startTime: toTimestamp(asOf + BigInt(week) * WEEK),
    points,
  }));
  return {
    ...sums,
    asOf: toTimestamp(asOf),
    endTime: toTimestamp(endTime),
    expiring: weeks.filter(({ points }) => points > 0n),
    largest: [...largest],
  };
}
