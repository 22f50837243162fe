import { Table } from "@mantine/core";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { EntryLink } from "../parts/entry-link.tsx";
import { Instant } from "../parts/instant.tsx";
import { KindBadge } from "../parts/kind-badge.tsx";
import { TextLink } from "../parts/links.ts";
import { WideTable } from "../parts/wide-table.tsx";
import styles from "./find.module.css";
import { useWords } from "./results-words.ts";

/** Entries of whatever accounts, a line each. */
export function FoundEntries({
  caption,
  entries,
}: {
  readonly caption: string;
  readonly entries: readonly Entry[];
}) {
  const say = useWords();
  return (
    <WideTable caption={caption}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{say("user")}</Table.Th>
          <Table.Th>{say("number")}</Table.Th>
          <Table.Th>{say("kind")}</Table.Th>
          <Table.Th ta="right">{say("points")}</Table.Th>
          <Table.Th>{say("service")}</Table.Th>
          <Table.Th>{say("by")}</Table.Th>
          <Table.Th>{say("time")}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {entries.map((entry) => (
          <Row key={`${entry.userId} ${entry.sequence}`} entry={entry} />
        ))}
      </Table.Tbody>
    </WideTable>
  );
}

function Row({ entry }: { readonly entry: Entry }) {
  const { points } = useFormats();
  const { userId, sequence, createTime, kind, usage, actor } = entry;
  return (
    <Table.Tr>
      <Table.Td className={styles["user"]}>
        <TextLink to="/account" search={{ user: userId }}>
          {userId}
        </TextLink>
      </Table.Td>
      <Table.Td>
        <EntryLink user={userId} sequence={sequence} />
      </Table.Td>
      <Table.Td className={styles["kind"]}>
        <KindBadge kind={kind} />
      </Table.Td>
      <Table.Td ta="right">{points(entry.points)}</Table.Td>
      <Table.Td>{usage?.service}</Table.Td>
      <Table.Td className={styles["user"]}>{actor}</Table.Td>
      <Table.Td className={styles["whole"]}>
        <Instant time={createTime!} />
      </Table.Td>
    </Table.Tr>
  );
}
