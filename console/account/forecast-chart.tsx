import "@mantine/charts/styles.css";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AreaChart, ChartTooltip } from "@mantine/charts";
import { useFormats } from "../app/formats.ts";
import type { Step } from "./forecast-steps.ts";
import { useForecastWords } from "./words.ts";

/** The balance over time, in steps. The table beneath says the same to whoever does not see it. */
export function ForecastChart({
  steps,
  label,
}: {
  readonly steps: readonly Step[];
  readonly label: string;
}) {
  const say = useForecastWords();
  const formats = useFormats();
  const hasDebt = steps.some(({ debt }) => debt > 0);
  const series = [
    { name: "balance", label: say("balance"), color: "var(--mantine-color-anchor)" },
    ...(hasDebt ? [{ name: "debt", label: say("debt"), color: "var(--mantine-color-error)" }] : []),
  ];
  const points = (value: number) => formats.points(BigInt(Math.round(value)));
  return (
    <div role="img" aria-label={label}>
      <AreaChart
        h={200}
        mb="md"
        data={steps.map((step) => ({ ...step }))}
        dataKey="time"
        series={series}
        curveType="stepAfter"
        withDots={false}
        withLegend={hasDebt}
        valueFormatter={points}
        xAxisProps={{
          type: "number",
          scale: "time",
          domain: ["dataMin", "dataMax"],
          minTickGap: 40,
          tickFormatter: (ms: number) => formats.day(timestampFromMs(ms)),
        }}
        yAxisProps={{ width: 80 }}
        areaChartProps={{ accessibilityLayer: false }}
        areaProps={{ isAnimationActive: false }}
        tooltipProps={{
          content: ({ label: ms, payload }) => (
            <ChartTooltip
              label={ms === undefined ? "" : formats.instant(timestampFromMs(Number(ms)))}
              payload={payload}
              series={series}
              valueFormatter={points}
            />
          ),
        }}
      />
    </div>
  );
}
