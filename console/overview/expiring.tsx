import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Button, Table, Text } from "@mantine/core";
import { type ReactNode, useState } from "react";
import type { GetOverviewResponse } from "../../gen/points/v1/ledger_pb.ts";
import { useFormats } from "../app/formats.ts";
import { useLanguage } from "../app/words.ts";
import { DAY_MS } from "../parts/days.ts";
import { WideTable } from "../parts/wide-table.tsx";
import styles from "./overview.module.css";
import { Section } from "../parts/section.tsx";
import { ShareBar } from "./share-bar.tsx";
import { useWords } from "./words.ts";

/** A quarter of a year: what soon expires can still be written to its users. */
const FIRST_WEEKS = 13;

/** What of all balances expires in which week, as bars with their figures. */
export function Expiring({ overview }: { readonly overview: GetOverviewResponse }) {
  const say = useWords();
  const { weekOf, timeZone } = useWeeks();
  const [isWhole, setWhole] = useState(false);
  const { expiring, expiringLater, neverExpiring } = overview;
  const shown = isWhole ? expiring : expiring.slice(0, FIRST_WEEKS);
  const most = shown.reduce((max, { points }) => (points > max ? points : max), 0n);
  return (
    <Section title={say("expiring")}>
      <WideTable caption={say("expiring")}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">{say("week")}</Table.Th>
            <Table.Th scope="col" ta="right">
              {say("points")}
            </Table.Th>
            <Table.Td className={styles["share"]} />
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {shown.map(({ startTime, points }) => (
            <Row
              key={String(startTime!.seconds)}
              title={weekOf(startTime!)}
              points={points}
              bar={<ShareBar points={points} of={most} />}
            />
          ))}
          {(isWhole || shown.length === expiring.length) && (
            <Row title={say("later")} points={expiringLater} />
          )}
          <Row title={say("never")} points={neverExpiring} />
        </Table.Tbody>
      </WideTable>
      <Text size="sm" c="dimmed" mt="xs">
        {say("weeks", { zone: timeZone })}
      </Text>
      {shown.length < expiring.length && (
        <Button variant="default" size="xs" mt="sm" onClick={() => setWhole(true)}>
          {say("allWeeks")}
        </Button>
      )}
    </Section>
  );
}

/** From the first to the last day of a week, in the browser's time zone. */
function useWeeks() {
  const { language } = useLanguage();
  const days = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
  const weekOf = (start: Timestamp) => {
    const from = timestampDate(start);
    return days.formatRange(from, new Date(from.getTime() + 7 * DAY_MS - 1));
  };
  return { weekOf, timeZone: days.resolvedOptions().timeZone };
}

function Row({
  title,
  points,
  bar,
}: {
  readonly title: ReactNode;
  readonly points: bigint;
  readonly bar?: ReactNode;
}) {
  const formats = useFormats();
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={400} className={styles["narrow"]}>
        {title}
      </Table.Th>
      <Table.Td ta="right">{formats.points(points)}</Table.Td>
      <Table.Td>{bar}</Table.Td>
    </Table.Tr>
  );
}
