import { Button, Group, Stack, Table, Text } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import type { Account, Entry } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { useSession } from "../app/session.tsx";
import { CaughtUp } from "../parts/caught-up.tsx";
import { TextLink } from "../parts/links.ts";
import { Loading } from "../parts/loading.tsx";
import { Section } from "../parts/section.tsx";
import { WideTable } from "../parts/wide-table.tsx";
import { FoundEntries } from "./found-entries.tsx";
import styles from "./find.module.css";
import { LookedFor } from "./looked-for.tsx";
import { type Lookups, type Search, useLookups } from "./lookups.ts";
import { rememberFind } from "./recent-finds.ts";
import { useWords } from "./results-words.ts";

/** What there is of a text. If it is one account or entry and nothing else, that is opened at once. */
export function Results({ text }: { readonly text: string }) {
  const lookups = useLookups(text);
  const { account, entry, requestId, metadata, actor, prefix } = lookups;
  const all = [account, entry, requestId, metadata, actor, prefix];
  const isPending = all.some(({ state }) => state === "pending");
  const hits = all.filter((lookup) => lookup.state === "found" && lookup !== prefix).length;
  const only = !isPending && hits === 1 ? (account.found ?? entry.found) : undefined;
  const isFound = hits > 0;
  useRemembered(text, isFound && !isPending);
  useOpened(only);
  if (isPending || only !== undefined) return <Loading />;
  return <Found text={text} lookups={lookups} hits={hits} />;
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

function Found({ text, lookups, hits }: { text: string; lookups: Lookups; hits: number }) {
  const say = useWords();
  const { account, entry, requestId, metadata, actor, prefix, readings } = lookups;
  const pair = readings.metadata && `${readings.metadata.key}=${readings.metadata.value}`;
  const summary = hits > 0 ? "found" : prefix.found ? "onlyPrefix" : "nothing";
  return (
    <Stack gap="lg">
      <Text role="status" size="sm" className={styles["anywhere"]}>
        {say(summary, { what: text })}
      </Text>
      {hits === 0 && prefix.found === undefined && <LookedFor text={text} lookups={lookups} />}
      {account.found && (
        <Section title={say("account")}>
          <Accounts accounts={[account.found]} caption={say("account")} />
        </Section>
      )}
      {entry.found && (
        <Section title={say("entry")}>
          <FoundEntries caption={say("entry")} entries={[entry.found]} />
        </Section>
      )}
      <Searched search={requestId} title={say("requestId", { what: readings.requestId ?? "" })} />
      <Searched search={metadata} title={say("metadata", { what: pair ?? "" })} />
      <Searched search={actor} title={say("actor", { what: readings.actor ?? "" })} />
      {prefix.found && (
        <Section title={say("prefix", { what: readings.user! })}>
          <Accounts accounts={prefix.found} caption={say("prefix", { what: readings.user! })} />
        </Section>
      )}
      {(hits > 0 || prefix.found !== undefined) && <LookedFor text={text} lookups={lookups} />}
    </Stack>
  );
}

function Searched({ search, title }: { readonly search: Search; readonly title: string }) {
  const say = useWords();
  if (search.found === undefined) return null;
  return (
    <Section title={title}>
      <FoundEntries caption={title} entries={search.found} />
      <Group justify="space-between" mt="sm">
        <CaughtUp upTo={search.caughtUpTo} />
        {search.more && (
          <Button variant="default" size="xs" onClick={search.more}>
            {say("more")}
          </Button>
        )}
      </Group>
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
