import "@mantine/charts/styles.css";
import { BarChart } from "@mantine/charts";
import { Text } from "@mantine/core";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { GroupBy } from "../../gen/points/v1/ledger_pb.ts";
import { useFormats } from "../app/formats.ts";
import { useLanguage } from "../app/words.ts";
import { Awaited } from "../parts/awaited.tsx";
import { CaughtUp } from "../parts/caught-up.tsx";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { type Day, startOf } from "../parts/days.ts";
import { useMoveNames } from "../parts/move-names.ts";
import { isAddition, type Move, MOVES } from "../parts/moves.ts";
import { roundTicks } from "../parts/round-ticks.ts";
import { byDay, type DayMoved, type Moved, totalOf } from "./by-day.ts";
import { Section } from "../parts/section.tsx";
import { useSumsOfDays } from "./sums-of-days.ts";
import { useWords } from "./words.ts";

const BY_DAY_AND_KIND = [GroupBy.DAY, GroupBy.KIND];

/** What came and went on each of the last days, as a chart and as a table. */
export function ByDay({ days }: { readonly days: number }) {
  const say = useWords();
  const asked = useSumsOfDays(days, BY_DAY_AND_KIND);
  return (
    <Section title={say("byDay")}>
      <Awaited of={asked}>
        {({ sums, caughtUpTo }) => (
          <>
            <Days days={byDay(sums, asked)} />
            <Text size="sm" c="dimmed" mt="sm">
              {say("inZone", { zone: asked.timeZone })}
            </Text>
            <CaughtUp upTo={caughtUpTo} />
          </>
        )}
      </Awaited>
    </Section>
  );
}

function Days({ days }: { readonly days: readonly DayMoved[] }) {
  return (
    <>
      <DayChart days={days} />
      <DayTable days={days} />
    </>
  );
}

const COLOURS: Readonly<Record<Move, string>> = {
  recharged: "teal.6",
  refunded: "cyan.6",
  consumed: "blue.6",
  expired: "orange.6",
  revoked: "red.6",
};

function DayChart({ days }: { readonly days: readonly DayMoved[] }) {
  const say = useWords();
  const nameOf = useMoveNames();
  const { points, compact } = useFormats();
  const { language } = useLanguage();
  const dates = new Intl.DateTimeFormat(language, { month: "short", day: "numeric" });
  const total = totalOf(days);
  const text = MOVES.map((move) => `${nameOf(move)} ${points(total[move])}`).join(", ");
  // Pixels need no exact figures.
  const data = days.map((day) => ({
    day: dates.format(startOf(day.day)),
    ...Object.fromEntries(
      MOVES.map((move) => [move, Number(isAddition(move) ? day[move] : -day[move])]),
    ),
  }));
  const ticks = roundTicks(
    Math.min(...days.map((day) => -heightOf(day, false))),
    Math.max(...days.map((day) => heightOf(day, true))),
  );
  return (
    <div role="img" aria-label={`${say("chart")}. ${say("total")}: ${text}`}>
      <div aria-hidden>
        <BarChart
          h={280}
          mb="md"
          type="stacked"
          data={data}
          dataKey="day"
          series={MOVES.filter((move) => total[move] !== 0n).map((move) => ({
            name: move,
            label: nameOf(move),
            color: COLOURS[move],
          }))}
          valueFormatter={(value) => compact(Math.abs(value))}
          withLegend
          legendProps={{ verticalAlign: "bottom", itemSorter: null }}
          xAxisProps={{ minTickGap: 24 }}
          yAxisProps={{ width: 56, ticks, domain: [ticks[0]!, ticks.at(-1)!] }}
          barProps={{ isAnimationActive: false }}
          barChartProps={{ accessibilityLayer: false, stackOffset: "sign" }}
        />
      </div>
    </div>
  );
}

/** How far the bars of a day reach, up or down. */
function heightOf(day: DayMoved, isUp: boolean): number {
  const moves = MOVES.filter((move) => isAddition(move) === isUp);
  return moves.reduce((height, move) => height + Number(day[move]), 0);
}

function DayTable({ days }: { readonly days: readonly DayMoved[] }) {
  const say = useWords();
  const nameOf = useMoveNames();
  const { points, day } = useFormats();
  const rows: (Moved & { readonly day?: Day })[] = [totalOf(days), ...days.toReversed()];
  const columns: Column<(typeof rows)[number]>[] = [
    {
      key: "day",
      title: say("day"),
      narrowWidth: 9,
      cell: (row) =>
        row.day === undefined ? <b>{say("total")}</b> : day(timestampFromDate(startOf(row.day)!)),
    },
    ...MOVES.map((move) => ({
      key: move,
      title: nameOf(move),
      width: 6.5,
      figure: (row: Moved) => points(row[move]),
    })),
  ];
  return (
    <DataTable
      caption={say("byDay")}
      columns={columns}
      rows={rows}
      rowKey={(row) => row.day ?? ""}
    />
  );
}
