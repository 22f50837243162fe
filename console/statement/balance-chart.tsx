import "@mantine/charts/styles.css";
import { LineChart } from "@mantine/charts";
import { useMemo } from "react";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { useLanguage } from "../app/words.ts";
import { DAY_MS } from "../parts/days.ts";
import { roundTicks } from "../parts/round-ticks.ts";
import { roundTimes } from "../parts/round-times.ts";
import { balanceSteps } from "./balance-steps.ts";
import { useWords } from "./words.ts";

/** So that the last label of the axis is not cut. */
const LABEL_PX = 64;

/** The balance over the time of what is loaded. The sentence beneath it says the same. */
export function BalanceChart({
  entries,
  label,
}: {
  readonly entries: readonly Entry[];
  readonly label: string;
}) {
  const say = useWords();
  const { compact } = useFormats();
  const { language } = useLanguage();
  const data = useMemo(() => [...balanceSteps(entries)], [entries]);
  const span = data.at(-1)!.time - data[0]!.time;
  const times = useMemo(() => {
    const options: Intl.DateTimeFormatOptions =
      span <= 2 * DAY_MS
        ? { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }
        : span <= 300 * DAY_MS
          ? { month: "short", day: "numeric" }
          : { year: "numeric", month: "short" };
    return new Intl.DateTimeFormat(language, options);
  }, [language, span]);
  const ticks = useMemo(
    () => roundTicks(0, Math.max(...data.map(({ balance }) => balance))),
    [data],
  );
  // All at one instant: there is no line to draw.
  if (data.length < 2) return null;
  return (
    <div role="img" aria-label={label}>
      <LineChart
        h={160}
        data={data}
        dataKey="time"
        series={[{ name: "balance", label: say("balance"), color: "var(--mantine-color-anchor)" }]}
        curveType="stepAfter"
        withDots={false}
        withTooltip={false}
        strokeWidth={1.5}
        valueFormatter={compact}
        xAxisProps={{
          type: "number",
          scale: "time",
          domain: ["dataMin", "dataMax"],
          ticks: roundTimes(data[0]!.time, data.at(-1)!.time),
          interval: "equidistantPreserveStart",
          minTickGap: 16,
          tickFormatter: (time: number) => times.format(time),
        }}
        yAxisProps={{ ticks, domain: [0, ticks.at(-1)!], width: 48 }}
        lineChartProps={{ accessibilityLayer: false, margin: { right: LABEL_PX / 2 } }}
        lineProps={{ isAnimationActive: false }}
      />
    </div>
  );
}
