import { createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useFormats } from "../app/formats.ts";
import { useSession } from "../app/session.tsx";
import { Awaited } from "../parts/awaited.tsx";
import { EntryLink } from "../parts/entry-link.tsx";
import { Instant } from "../parts/instant.tsx";
import { TextLink } from "../parts/links.ts";
import { Section } from "../parts/section.tsx";
import { WideTable } from "../parts/wide-table.tsx";
import { askExpiredLots, type ExpiredLots } from "./ask-expired-lots.ts";
import type { Range } from "./range.ts";
import styles from "./movements.module.css";
import { useWords } from "./words.ts";

/** Of which lots points expired, and how much of each was unused. */
export function ExpiredLotsOf({
  user,
  range,
  points,
}: {
  readonly user: string;
  readonly range: Range;
  /** How many expired in all. */
  readonly points: bigint;
}) {
  const say = useWords();
  const { may } = useSession();
  const transport = useTransport();
  const { from, to, end } = range;
  const asked = useQuery({
    queryKey: ["expired lots", user, from, to, end === undefined, String(points)],
    queryFn: () => askExpiredLots(createClient(PointsService, transport), user, range),
    enabled: may("points.read"),
  });
  return (
    <Section title={say("lots")}>
      {may("points.read") ? (
        <Awaited of={asked}>
          {(expired) => <Lots user={user} range={range} expired={expired} points={points} />}
        </Awaited>
      ) : (
        <Text size="sm">{say("spendOnly")}</Text>
      )}
    </Section>
  );
}

function Lots({
  user,
  range: { from, to },
  expired: { lots, isAll },
  points,
}: {
  readonly user: string;
  readonly range: Range;
  readonly expired: ExpiredLots;
  readonly points: bigint;
}) {
  const say = useWords();
  const formats = useFormats();
  const unlisted = lots.reduce((rest, lot) => rest - lot.points, points);
  const statement = { user, kind: "EXPIRE", ...(from !== undefined && { from }), to };
  return (
    <>
      <LotsTable user={user} lots={lots} />
      {!isAll && (
        <TextLink to="/statement" search={statement} size="sm">
          {say("moreLots")}
        </TextLink>
      )}
      {isAll && unlisted > 0n && (
        <Text size="sm" mt="xs">
          {say("notBooked", { points: formats.points(unlisted) })}
        </Text>
      )}
    </>
  );
}

function LotsTable({ user, lots }: { readonly user: string; readonly lots: ExpiredLots["lots"] }) {
  const say = useWords();
  const { points } = useFormats();
  return (
    <WideTable caption={say("lots")}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{say("lot")}</Table.Th>
          <Table.Th>{say("category")}</Table.Th>
          <Table.Th>{say("bought")}</Table.Th>
          <Table.Th ta="right">{say("unused")}</Table.Th>
          <Table.Th ta="right">{say("size")}</Table.Th>
          <Table.Th>{say("when")}</Table.Th>
          <Table.Th>{say("entries")}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {lots.map((expired) => (
          <Table.Tr key={`${expired.sequence} ${expired.lot}`}>
            <Table.Td>
              <EntryLink user={user} sequence={expired.lot} />
            </Table.Td>
            <Table.Td>{expired.made.category || say("noCategory")}</Table.Td>
            <Table.Td className={styles["whole"]}>
              <Instant time={expired.made.createTime!} of="day" />
            </Table.Td>
            <Table.Td ta="right">{points(expired.points)}</Table.Td>
            <Table.Td ta="right">{points(expired.size)}</Table.Td>
            <Table.Td className={styles["whole"]}>
              <Instant time={expired.time} of="day" />
            </Table.Td>
            <Table.Td>
              <EntryLink user={user} sequence={expired.sequence} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </WideTable>
  );
}
