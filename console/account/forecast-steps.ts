import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Forecast, GetForecastResponse } from "../../gen/points/v1/points_pb.ts";
import { DAY_MS } from "../parts/days.ts";

/** A point of the chart: from this instant on it is so much. For pixels alone. */
export type Step = { readonly time: number; readonly balance: number; readonly debt: number };

/** The instant up to which to ask: the end of a day, so that a page that stays open asks the same. */
export function horizonMs(nowMs: number, days: number): number {
  return Math.ceil((nowMs + days * DAY_MS) / DAY_MS) * DAY_MS;
}

/** The balance from now on. Where more follows than the server has said, the steps end there. */
export function stepsOf(
  { forecasts, more }: GetForecastResponse,
  now: Pick<Forecast, "balance" | "debt">,
  { nowMs, untilMs }: { readonly nowMs: number; readonly untilMs: number },
): Step[] {
  const steps = forecasts.map(({ time, ...after }) => stepOf(timestampMs(time!), after));
  const first = stepOf(Math.min(nowMs, steps[0]?.time ?? nowMs), now);
  const last = steps.at(-1) ?? first;
  return [first, ...steps, ...(more ? [] : [{ ...last, time: untilMs }])];
}

function stepOf(time: number, { balance, debt }: Pick<Forecast, "balance" | "debt">): Step {
  return { time, balance: Number(balance), debt: Number(debt) };
}
