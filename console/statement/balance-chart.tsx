import "@mantine/charts/styles.css";
import { LineChart } from "@mantine/charts";
import { useMemo } from "react";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { useLanguage } from "../app/words.ts";
import { DAY_MS } from "../parts/days.ts";
import { roundTicks } from "../parts/round-ticks.ts";
import { balanceSteps } from "./balance-steps.ts";
import { useWords } from "./words.ts";

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
    const style = span > 2 * DAY_MS ? "day" : "time";
    const options: Intl.DateTimeFormatOptions =
      style === "day"
        ? { month: "short", day: "numeric" }
        : { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    return new Intl.DateTimeFormat(language, options);
  }, [language, span]);
  const ticks = useMemo(
    () => roundTicks(0, Math.max(...data.map(({ balance }) => balance))),
    [data],
  );
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
          minTickGap: 64,
          tickFormatter: (time: number) => times.format(time),
        }}
        yAxisProps={{ ticks, domain: [0, ticks.at(-1)!], width: 48 }}
        lineChartProps={{ accessibilityLayer: false }}
        lineProps={{ isAnimationActive: false }}
      />
    </div>
  );
}
