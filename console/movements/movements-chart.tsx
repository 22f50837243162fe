import "@mantine/charts/styles.css";
import { BarChart } from "@mantine/charts";
import { Paper } from "@mantine/core";
import { useFormats } from "../app/formats.ts";
import { useMoveNames } from "../parts/move-names.ts";
import type { Movements } from "./movements.ts";
import { ticksOf } from "./ticks.ts";
import { useWords } from "./words.ts";

/** The same figures as the table, as steps from the start to the end. */
export function MovementsChart({ movements }: { readonly movements: Movements }) {
  const say = useWords();
  const nameOf = useMoveNames();
  const { points, change, compact } = useFormats();
  const ticks = ticksOf(movements);
  const { start, lines, end } = movements;
  const moved = lines.filter((line) => line.points !== 0n);
  const bars = [
    { item: say("start"), points: start.net, color: "var(--mantine-color-dimmed)" },
    ...moved.map((line) => ({
      item: nameOf(line.name),
      points: line.points,
      color: line.points > 0n ? "var(--mantine-color-teal-6)" : "var(--mantine-color-orange-6)",
    })),
    { item: say("end"), points: end.net, color: "var(--mantine-color-dimmed)", standalone: true },
  ];
  const text = bars.map((bar, at) =>
    at === 0 || at === bars.length - 1
      ? `${bar.item} ${points(bar.points)}`
      : `${bar.item} ${change(bar.points)}`,
  );
  return (
    <Paper withBorder p="md" role="img" aria-label={`${say("chart")}: ${text.join(", ")}`}>
      <div aria-hidden>
        <BarChart
          h={260}
          type="waterfall"
          // Pixels need no exact figures.
          data={bars.map((bar) => ({ ...bar, points: Number(bar.points) }))}
          dataKey="item"
          series={[{ name: "points", label: say("points"), color: "blue.6" }]}
          valueFormatter={(value) => points(BigInt(Math.round(value)))}
          maxBarWidth={64}
          withLegend={false}
          yAxisProps={{
            width: 56,
            ticks,
            domain: [ticks[0]!, ticks.at(-1)!],
            tickFormatter: compact,
          }}
          barProps={{ isAnimationActive: false }}
          barChartProps={{ accessibilityLayer: false }}
        />
      </div>
    </Paper>
  );
}
