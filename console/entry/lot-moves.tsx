import { useQuery } from "@connectrpc/connect-query";
import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useFormats } from "../app/formats.ts";
import { Awaited } from "../parts/awaited.tsx";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { EntryLink } from "../parts/entry-link.tsx";
import { Instant } from "../parts/instant.tsx";
import { KindBadge } from "../parts/kind-badge.tsx";
import { TextLink } from "../parts/links.ts";
import { signOf } from "../parts/signs.ts";
import { type MoveOfLot, movesOfLot } from "./moves-of-lot.ts";
import { useWords } from "./words.ts";

/** As many as the server gives at once: nothing finds the entries of a lot but reading them. */
const ENTRIES_READ = 1_000;

/** Where the points of a lot went, once that is asked for. */
export function LotMoves({ made }: { readonly made: Entry }) {
  const say = useWords();
  const [isAsked, setIsAsked] = useState(false);
  return (
    <Stack gap="xs">
      <Title order={3} size="h4">
        {say("moves")}
      </Title>
      {isAsked ? (
        <Moves made={made} />
      ) : (
        <Group>
          <Button variant="default" size="xs" onClick={() => setIsAsked(true)}>
            {say("showMoves")}
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function Moves({ made: { userId, sequence, createTime } }: { readonly made: Entry }) {
  const say = useWords();
  const asked = useQuery(PointsService.method.listEntries, {
    userId,
    pageSize: ENTRIES_READ,
    ...(createTime && { startTime: createTime }),
  });
  return (
    <Awaited of={asked}>
      {({ entries, nextPageToken }) => {
        const moves = movesOfLot(entries, sequence);
        return (
          <>
            {moves.length > 0 && <MoveTable user={userId} moves={moves} />}
            {moves.length === 0 && nextPageToken === "" && <Text size="sm">{say("noMoves")}</Text>}
            {nextPageToken !== "" && (
              <Text size="sm">
                {say("moreMoves")}{" "}
                <TextLink inherit underline="always" to="/statement" search={{ user: userId }}>
                  {say("toStatement")}
                </TextLink>
              </Text>
            )}
          </>
        );
      }}
    </Awaited>
  );
}

function MoveTable({
  user,
  moves,
}: {
  readonly user: string;
  readonly moves: readonly MoveOfLot[];
}) {
  const say = useWords();
  const formats = useFormats();
  const columns: readonly Column<MoveOfLot>[] = [
    {
      key: "entry",
      title: say("entry"),
      width: 5,
      cell: ({ entry }) => <EntryLink user={user} sequence={entry.sequence} />,
    },
    { key: "kind", title: say("kind"), cell: ({ entry }) => <KindBadge kind={entry.kind} /> },
    {
      key: "points",
      title: say("points"),
      width: 6,
      figure: ({ entry, points }) => {
        const sign = signOf(entry.kind);
        return sign === 0n ? formats.points(points) : formats.change(sign * points);
      },
    },
    {
      key: "time",
      title: say("time"),
      width: 12.5,
      wideOnly: true,
      cell: ({ entry }) => entry.createTime && <Instant time={entry.createTime} />,
    },
  ];
  return (
    <DataTable
      caption={say("movesTitle")}
      columns={columns}
      rows={moves}
      rowKey={({ entry }) => String(entry.sequence)}
    />
  );
}
