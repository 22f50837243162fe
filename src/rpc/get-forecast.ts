import type { MessageInitShape } from "@bufbuild/protobuf";
import { setImmediate as nextTurn } from "node:timers/promises";
import type {
  GetForecastRequest,
  GetForecastResponseSchema,
} from "../../gen/points/v1/points_pb.ts";
import { accountNotFound, invalidField } from "../errors/api-error.ts";
import { forecast } from "../ledger/forecast.ts";
import type { Orm } from "../store/driver/orm.ts";
import { readUntil } from "../store/reads/forecast.ts";
import { instantOf, toTimestamp } from "./timestamps.ts";

/** Handles GetForecast: what will become of an account by itself. */
export async function getForecast(
  orm: Orm,
  { userId, until }: GetForecastRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof GetForecastResponseSchema>> {
  const instant = instantOf(until, "until")!;
  const read = await readUntil(orm, userId, instant);
  if (read === undefined) throw accountNotFound(userId);
  const { now, state } = read;
  if (instant <= now) throw invalidField("until", "must be after now");
  const steps = forecast(state, { now, until: instant });
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) {
      const forecasts = value.forecasts.map(({ time, allowances, ...points }) => ({
        ...points,
        time: toTimestamp(time),
        allowances: [...allowances],
      }));
      return { forecasts, more: value.more };
    }
    await nextTurn(undefined, { signal });
  }
}
