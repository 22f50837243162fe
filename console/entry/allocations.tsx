import { Stack, Title } from "@mantine/core";
import type { Allocation, Entry } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { EntryLink } from "../parts/entry-link.tsx";
import { useEntry, useNow } from "./entry-queries.ts";
import { lotWords } from "./lots-phrase.ts";
import { PhraseText, useVoice } from "../parts/sentence/phrase-text.tsx";
import { useWords } from "./words.ts";

/** From or to which lots an entry moved its points. */
export function Allocations({ entry }: { readonly entry: Entry }) {
  const say = useWords();
  const formats = useFormats();
  const { userId: user, allocations } = entry;
  if (allocations.length === 0) return null;
  const columns: readonly Column<Allocation>[] = [
    {
      key: "lot",
      title: say("lot"),
      width: 5,
      cell: ({ lot }) => <EntryLink user={user} sequence={lot} />,
    },
    {
      key: "points",
      title: say("points"),
      width: 5,
      figure: ({ points }) => formats.points(points),
    },
    {
      key: "origin",
      title: say("origin"),
      cell: ({ lot }) => <LotWords user={user} lot={lot} of="origin" />,
    },
    {
      key: "expiry",
      title: say("expiry"),
      width: 12.5,
      wideOnly: true,
      cell: ({ lot }) => <LotWords user={user} lot={lot} of="expiry" />,
    },
  ];
  return (
    <Stack gap="xs">
      <Title order={3} size="h4">
        {say("lots")}
      </Title>
      <DataTable
        caption={say("lotsTitle")}
        columns={columns}
        rows={allocations}
        rowKey={({ lot }) => String(lot)}
      />
    </Stack>
  );
}

/** What the entry that made a lot says of it. Rows out of sight read nothing. */
function LotWords({
  user,
  lot,
  of,
}: {
  readonly user: string;
  readonly lot: bigint;
  readonly of: "origin" | "expiry";
}) {
  const voice = useVoice();
  const made = useEntry(user, lot).data?.entry;
  const now = useNow(user);
  if (made === undefined) return null;
  return <PhraseText user={user} phrase={lotWords(voice, made, now)[of]} />;
}
