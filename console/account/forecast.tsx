import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { NativeSelect, Skeleton, Text } from "@mantine/core";
import { Suspense, useState } from "react";
import type { Account } from "../../gen/points/v1/account_pb.ts";
import { type GetForecastResponse, PointsService } from "../../gen/points/v1/points_pb.ts";
import { useFormats } from "../app/formats.ts";
import { lazily } from "../app/lazily.tsx";
import { Awaited } from "../parts/awaited.tsx";
import { horizonMs, stepsOf } from "./forecast-steps.ts";
import { ForecastTable } from "./forecast-table.tsx";
import { Section } from "../parts/section.tsx";
import { useForecastWords } from "./words.ts";

const HORIZONS_DAYS = [30, 90, 365];

// The chart's library is as large as all else of the screen, which must not wait for it.
const ForecastChart = lazily(async () => (await import("./forecast-chart.tsx")).ForecastChart);

type Props = { readonly account: Account; readonly nowMs: number };

/** What becomes of the account by itself, until a horizon that the reader chooses. */
export function Forecast({ account, nowMs }: Props) {
  const say = useForecastWords();
  const [days, setDays] = useState(HORIZONS_DAYS[0]!);
  const untilMs = horizonMs(nowMs, days);
  const asked = useQuery(
    PointsService.method.getForecast,
    { userId: account.userId, until: timestampFromMs(untilMs) },
    { placeholderData: (before) => before },
  );
  // The answer of before stays until the next is there, and with it what it was asked up to.
  const [answeredMs, setAnsweredMs] = useState(untilMs);
  if (asked.isSuccess && !asked.isPlaceholderData && answeredMs !== untilMs) setAnsweredMs(untilMs);
  const chooser = (
    <NativeSelect
      size="xs"
      aria-label={say("horizon")}
      value={days}
      onChange={(event) => setDays(Number(event.currentTarget.value))}
      data={HORIZONS_DAYS.map((one) => ({ value: String(one), label: say("days", { days: one }) }))}
    />
  );
  return (
    <Section title={say("title")} hint={say("hint")} aside={chooser}>
      <Awaited of={asked}>
        {(answer) => (
          <Outlook account={account} nowMs={nowMs} untilMs={answeredMs} answer={answer} />
        )}
      </Awaited>
    </Section>
  );
}

function Outlook({
  account,
  nowMs,
  untilMs,
  answer,
}: Props & { readonly untilMs: number; readonly answer: GetForecastResponse }) {
  const say = useForecastWords();
  const formats = useFormats();
  const { forecasts, more } = answer;
  const { balance, debt } = account;
  const steps = stepsOf(answer, { balance, debt }, { nowMs, untilMs });
  if (forecasts.length === 0) {
    return <Text>{say("none", { day: formats.day(timestampFromMs(untilMs)) })}</Text>;
  }
  const label = say(more ? "chartPart" : "chart", {
    from: formats.day(timestampFromMs(nowMs)),
    to: formats.day(timestampFromMs(steps.at(-1)!.time)),
    first: formats.points(balance),
    last: formats.points(forecasts.at(-1)!.balance),
  });
  return (
    <>
      <Suspense fallback={<Skeleton h={200} mb="md" />}>
        <ForecastChart steps={steps} label={label} />
      </Suspense>
      <ForecastTable forecasts={forecasts} now={account} />
      {more && (
        <Text size="sm" c="dimmed" mt="xs">
          {say("more", { count: forecasts.length })}
        </Text>
      )}
    </>
  );
}
