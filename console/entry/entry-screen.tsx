import { Alert, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { type HotkeyItem, useHotkeys } from "@mantine/hooks";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import type { GetEntryResponse } from "../../gen/points/v1/points_pb.ts";
import { AccountTabs } from "../parts/account-tabs.tsx";
import { Instant } from "../parts/instant.tsx";
import { KindBadge } from "../parts/kind-badge.tsx";
import { ButtonLink } from "../parts/links.ts";
import { Loading } from "../parts/loading.tsx";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { sequenceOf } from "../parts/sequence.ts";
import { useTitle } from "../parts/title.ts";
import { Allocations } from "./allocations.tsx";
import { ChainNote } from "./chain-note.tsx";
import { EntryActs } from "./entry-acts.tsx";
import { EntryFacts, Metadata } from "./entry-facts.tsx";
import { useEntry, useLastSequence, useKnownEntry } from "./entry-queries.ts";
import { madeLot } from "./fate.ts";
import { LotMoves } from "./lot-moves.tsx";
import { JournalCheck } from "./journal-check.tsx";
import { Related } from "./related.tsx";
import { Sentence } from "./sentence-text.tsx";
import { useWords } from "./words.ts";

/** Why an account changed: one entry, in a sentence and in full. */
export function EntryScreen() {
  const say = useWords();
  const { user, sequence: text } = useSearch({ from: "/entry" });
  const sequence = sequenceOf(text);
  useTitle(say("title", { user, n: text }));
  const { data, error, refetch } = useEntry(user, sequence);
  return (
    <>
      <AccountTabs user={user} />
      {sequence === undefined && <Alert role="alert">{say("noNumber", { text })}</Alert>}
      {sequence !== undefined && <Neighbours user={user} sequence={sequence} />}
      {error && <RefusalNote error={error} onRetry={() => void refetch()} />}
      {sequence !== undefined && data === undefined && !error && <Loading />}
      {data?.entry && <Why response={{ ...data, entry: data.entry }} />}
    </>
  );
}

/** Leads to the entries before and after, also by the arrow keys. */
function Neighbours({ user, sequence }: { readonly user: string; readonly sequence: bigint }) {
  const say = useWords();
  const navigate = useNavigate({ from: "/entry" });
  const { last } = useLastSequence(user);
  const older = sequence > 1n ? sequence - 1n : undefined;
  const newer = last !== undefined && sequence < last ? sequence + 1n : undefined;
  const go = (to: bigint | undefined) => {
    if (to !== undefined) void navigate({ search: { user, sequence: String(to) } });
  };
  // In a box that scrolls, arrows scroll it.
  const arrow = (key: string, to: bigint | undefined): HotkeyItem => [
    key,
    ({ target }) => {
      if (!(target as Element).closest('[tabindex="0"]')) go(to);
    },
    { preventDefault: false },
  ];
  useHotkeys([arrow("ArrowLeft", older), arrow("ArrowRight", newer)]);
  const link = (to: bigint | undefined, text: string, key: string) => (
    <ButtonLink
      to="/entry"
      search={{ user, sequence: String(to ?? sequence) }}
      variant="default"
      size="xs"
      disabled={to === undefined}
      aria-keyshortcuts={key}
    >
      {text}
    </ButtonLink>
  );
  return (
    <Group justify="space-between" mb="md">
      <Title order={2} size="h3">
        {say("heading", { n: String(sequence) })}
      </Title>
      <nav aria-label={say("neighbours")}>
        <Group gap="xs">
          {link(older, `← ${say("older")}`, "ArrowLeft")}
          {link(newer, `${say("newer")} →`, "ArrowRight")}
        </Group>
      </nav>
    </Group>
  );
}

function Why({ response }: { readonly response: GetEntryResponse & { readonly entry: Entry } }) {
  const { entry } = response;
  const known = useKnownEntry(response);
  return (
    <Stack gap="lg">
      <Paper withBorder p="md">
        <Group gap="sm" mb="xs">
          <KindBadge kind={entry.kind} />
          <Text size="sm" c="dimmed">
            {entry.createTime && <Instant time={entry.createTime} />}
          </Text>
        </Group>
        {known === undefined ? <Loading /> : <Sentence known={known} />}
        {known && <EntryActs known={known} />}
      </Paper>
      <Allocations entry={entry} />
      {madeLot(entry) && <LotMoves key={String(entry.sequence)} made={entry} />}
      <Related entry={entry} referring={response.referringEntries} />
      <EntryFacts entry={entry} />
      <Metadata entry={entry} />
      <ChainNote entry={entry} />
      <JournalCheck key={entry.userId} user={entry.userId} />
    </Stack>
  );
}
