import { Text } from "@mantine/core";
import type { GetOverviewResponse, LargeAccount } from "../../gen/points/v1/ledger_pb.ts";
import { useFormats } from "../app/formats.ts";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { TextLink } from "../parts/links.ts";
import { Section } from "../parts/section.tsx";
import { useWords } from "./words.ts";

/** The accounts with the largest balances, up to a thousand. */
export function Largest({ overview: { largest } }: { readonly overview: GetOverviewResponse }) {
  const say = useWords();
  const { points } = useFormats();
  const columns: Column<LargeAccount>[] = [
    {
      key: "user",
      title: say("user"),
      cell: ({ userId }) => (
        <TextLink to="/account" search={{ user: userId }} size="sm">
          {userId}
        </TextLink>
      ),
    },
    {
      key: "balance",
      title: say("balance"),
      width: 8,
      figure: ({ balance }) => points(balance),
    },
    {
      key: "frozen",
      title: say("frozen"),
      width: 7,
      wideOnly: true,
      figure: ({ frozen }) => points(frozen),
    },
    {
      key: "debt",
      title: say("debt"),
      width: 7,
      wideOnly: true,
      figure: ({ debt }) => points(debt),
    },
  ];
  return (
    <Section title={say("largest")}>
      {largest.length === 0 ? (
        <Text size="sm">{say("noneLargest")}</Text>
      ) : (
        <DataTable
          caption={say("largest")}
          columns={columns}
          rows={largest}
          rowKey={({ userId }) => userId}
        />
      )}
    </Section>
  );
}
