import { Button, Group, Stack, Table, Text } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import type { Account, Entry } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { useSession } from "../app/session.tsx";
import { CaughtUp } from "../parts/caught-up.tsx";
import { TextLink } from "../parts/links.ts";
import { Loading } from "../parts/loading.tsx";
import { MoreNote } from "../parts/more-note.tsx";
import { Section } from "../parts/section.tsx";
import { WideTable } from "../parts/wide-table.tsx";
import { FoundEntries } from "./found-entries.tsx";
import styles from "./find.module.css";
import { LookedFor } from "./looked-for.tsx";
import { isHit, type Lookup, useLookups } from "./lookups.ts";
import { rememberFind } from "./recent-finds.ts";
import { useWords } from "./results-words.ts";

/** What there is of a text. If it is one account or entry and nothing else, that is opened at once. */
export function Results({ text }: { readonly text: string }) {
  const lookups = useLookups(text);
  const isPending = lookups.some(({ state }) => state === "pending");
  const hits = lookups.filter(isHit);
  const only = !isPending && hits.length === 1 ? theOne(hits[0]!) : undefined;
  useRemembered(text, hits.length > 0 && !isPending);
  useOpened(only);
  if (isPending || only !== undefined) return <Loading />;
  return <Found text={text} lookups={lookups} />;
}

function theOne({ name, accounts, entries }: Lookup): Account | Entry | undefined {
  return name === "account" || name === "entry" ? (accounts?.[0] ?? entries?.[0]) : undefined;
}

function useRemembered(text: string, isFound: boolean): void {
  const { ledger, name } = useSession();
  const of = `${ledger.ledgerId} ${name}`;
  useEffect(() => {
    if (isFound) rememberFind(of, text);
  }, [of, text, isFound]);
}

/** Opens the one thing that was found, in place of the search: going back leads to before it. */
function useOpened(only: Account | Entry | undefined): void {
  const navigate = useNavigate();
  useEffect(() => {
    if (only === undefined) return;
    const { userId: user } = only;
    void (only.$typeName === "points.v1.Entry"
      ? navigate({ to: "/entry", search: { user, sequence: `${only.sequence}` }, replace: true })
      : navigate({ to: "/account", search: { user }, replace: true }));
  }, [only, navigate]);
}

function Found({ text, lookups }: { text: string; lookups: readonly Lookup[] }) {
  const say = useWords();
  const isFound = lookups.some(({ state }) => state === "found");
  const summary = lookups.some(isHit) ? "found" : isFound ? "onlyPrefix" : "nothing";
  return (
    <Stack gap="lg">
      <Text role="status" size="sm" className={styles["anywhere"]}>
        {say(summary, { what: text })}
      </Text>
      {!isFound && <LookedFor text={text} lookups={lookups} />}
      {lookups.map((lookup) => (
        <FoundSection key={lookup.name} lookup={lookup} />
      ))}
      {isFound && <LookedFor text={text} lookups={lookups} />}
    </Stack>
  );
}

/** What was found, if anything was or may be further on. */
function FoundSection({ lookup: { name, what, accounts, entries, search } }: { lookup: Lookup }) {
  const say = useWords();
  const title = say(name, { what });
  if (accounts === undefined && entries === undefined && !search?.more.hasMore) return null;
  return (
    <Section title={title}>
      {accounts && <Accounts caption={title} accounts={accounts} />}
      {entries && <FoundEntries caption={title} entries={entries} />}
      {search && (
        <Stack gap="xs" mt="sm">
          <Group justify="space-between">
            <CaughtUp upTo={search.caughtUpTo} />
            {search.more.hasMore && !search.more.mustAsk && (
              <Button
                variant="default"
                size="xs"
                loading={search.more.isLoading}
                onClick={search.more.onMore}
              >
                {say("more")}
              </Button>
            )}
          </Group>
          <MoreNote more={search.more} />
        </Stack>
      )}
    </Section>
  );
}

function Accounts({ accounts, caption }: { accounts: readonly Account[]; caption: string }) {
  const say = useWords();
  const { points } = useFormats();
  return (
    <WideTable caption={caption}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{say("user")}</Table.Th>
          <Table.Th ta="right">{say("balance")}</Table.Th>
          <Table.Th ta="right">{say("frozen")}</Table.Th>
          <Table.Th ta="right">{say("debt")}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {accounts.map(({ userId, balance, frozen, debt }) => (
          <Table.Tr key={userId}>
            <Table.Td className={styles["anywhere"]}>
              <TextLink to="/account" search={{ user: userId }}>
                {userId}
              </TextLink>
            </Table.Td>
            <Table.Td ta="right">{points(balance)}</Table.Td>
            <Table.Td ta="right">{points(frozen)}</Table.Td>
            <Table.Td ta="right">{points(debt)}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </WideTable>
  );
}
