import { Stack, Table, Text, Title } from "@mantine/core";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { isolated } from "../app/isolated.ts";
import { Facts, type FactRows } from "../parts/facts.tsx";
import { hexOf } from "../parts/hex.ts";
import { Instant } from "../parts/instant.tsx";
import styles from "./entry.module.css";
import { useErasure } from "./entry-queries.ts";
import { useWords } from "./words.ts";

/** What the sentence leaves out. */
export function EntryFacts({ entry }: { readonly entry: Entry }) {
  const say = useWords();
  const { points: figure } = useFormats();
  const { createTime, debtAfter, requestId, caller, actor, member, usage, alerts, hash } = entry;
  const facts: FactRows = [
    [say("time"), createTime && <Instant time={createTime} />],
    [say("balanceAfter"), figure(entry.balanceAfter)],
    [say("frozenAfter"), figure(entry.frozenAfter)],
    [say("debtAfter"), debtAfter > 0n && figure(debtAfter)],
    [say("requestId"), requestId],
    [say("caller"), caller],
    [say("actor"), actor],
    [say("member"), member],
    [say("priceVersion"), usage?.priceVersion],
    [say("meters"), usage && pairsOf(usage.meters)],
    [say("attributes"), usage && pairsOf(usage.attributes)],
    [say("alerts"), alerts.map(isolated).join(", ")],
    [say("hash"), <code key="hash">{hexOf(hash)}</code>],
  ];
  return (
    <Stack gap="xs">
      <Title order={3} size="h4">
        {say("facts")}
      </Title>
      <Facts rows={facts} layout="columns" />
    </Stack>
  );
}

/** What the caller wrote on an entry. */
export function Metadata({ entry }: { readonly entry: Entry }) {
  const say = useWords();
  const pairs = Object.entries(entry.metadata);
  const erasure = useErasure(entry.userId, entry.sequence);
  const without = erasure === undefined ? say("noMetadata") : say("erased", { n: String(erasure) });
  return (
    <Stack gap="xs">
      <Title order={3} size="h4">
        {say("metadata")}
      </Title>
      {pairs.length === 0 ? (
        <Text size="sm" c="dimmed">
          {without}
        </Text>
      ) : (
        <Table layout="fixed" withTableBorder className={styles["metadata"]} fz="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">{say("key")}</Table.Th>
              <Table.Th scope="col">{say("value")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {pairs.map(([key, value]) => (
              <Table.Tr key={key}>
                <Table.Td>{key}</Table.Td>
                <Table.Td>{value}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Stack>
  );
}

function pairsOf(map: Readonly<Record<string, string | bigint>>): string {
  return Object.entries(map)
    .map(([name, value]) => `${isolated(name)}: ${isolated(String(value))}`)
    .join(", ");
}
