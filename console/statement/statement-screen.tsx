import { useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import { Button, Group, Stack, Switch, Text } from "@mantine/core";
import { useSearch } from "@tanstack/react-router";
import { Suspense, useDeferredValue, useMemo, useState } from "react";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useFormats } from "../app/formats.ts";
import { askAgain } from "../app/queries.ts";
import { lazily } from "../app/lazily.tsx";
import { AccountTabs } from "../parts/account-tabs.tsx";
import { Loading } from "../parts/loading.tsx";
import { type More, moreOf, READ_ONCE, useMore } from "../parts/more-entries.ts";
import { MoreNote } from "../parts/more-note.tsx";
import { BY_PAGES } from "../parts/pages.ts";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { useTitle } from "../parts/title.ts";
import { arrange, inOrder } from "./arrange.ts";
import { balanceRange } from "./balance-steps.ts";
import { CsvDownload } from "./csv-download.tsx";
import { hasGaps, requestOf } from "./filters.ts";
import styles from "./statement.module.css";
import { StatementFilters } from "./statement-filters.tsx";
import { StatementTable } from "./statement-table.tsx";
import { useWords } from "./words.ts";

const BalanceChart = lazily(async () => (await import("./balance-chart.tsx")).BalanceChart);

/** What happened to an account, newest first. */
export function StatementScreen() {
  const say = useWords();
  const search = useSearch({ from: "/statement" });
  useTitle(say("title", { user: search.user }));
  const { entries, asOf, error, isPending, refetch, more } = useStatement();
  const formats = useFormats();
  return (
    <>
      <AccountTabs user={search.user} />
      <Stack gap="md">
        <StatementFilters />
        {error && <RefusalNote error={error} onRetry={refetch} />}
        {isPending && <Loading />}
        {asOf && (
          <Text size="sm" c="dimmed">
            {say("asOf", { time: formats.instant(asOf) })}
          </Text>
        )}
        {entries && <Newer than={entries[0]?.sequence ?? 0n} />}
        {entries && <Entries entries={entries} more={more} />}
        <MoreNote more={more} />
      </Stack>
    </>
  );
}

const PAGE = 100;

function useStatement() {
  const search = useSearch({ from: "/statement" });
  const query = useInfiniteQuery(
    PointsService.method.listEntries,
    { ...requestOf(search), pageSize: PAGE, pageToken: "" },
    { ...BY_PAGES, ...READ_ONCE },
  );
  const { data, error, isPending, refetch } = query;
  const entries = useMemo(() => data?.pages.flatMap((page) => page.entries), [data]);
  const more = moreOf(query);
  useMore(entries?.length === 0, more);
  return {
    entries,
    asOf: data?.pages[0]?.asOf,
    // Of a later page, it is said at the end.
    error: more.hasMore ? null : error,
    isPending,
    refetch: () => void refetch(),
    more,
  };
}

/** Says that there are newer entries, which are not put over those that somebody reads. */
function Newer({ than }: { readonly than: bigint }) {
  const say = useWords();
  const search = useSearch({ from: "/statement" });
  const { data } = useQuery(PointsService.method.listEntries, {
    ...requestOf(search),
    pageSize: 1,
  });
  if ((data?.entries[0]?.sequence ?? 0n) <= than) return null;
  return (
    <Group gap="sm">
      <Text size="sm" role="status">
        {say("newer")}
      </Text>
      <Button variant="default" size="xs" onClick={askAgain}>
        {say("showNewer")}
      </Button>
    </Group>
  );
}

function Entries({ entries, more }: { readonly entries: readonly Entry[]; readonly more: More }) {
  const say = useWords();
  const { points: figure } = useFormats();
  const { user, ...filters } = useSearch({ from: "/statement" });
  const [isGrouped, setIsGrouped] = useState(true);
  const rows = useMemo(() => (isGrouped ? arrange : inOrder)(entries), [isGrouped, entries]);
  if (entries.length === 0) {
    if (more.hasMore) return more.mustAsk ? null : <Loading />;
    return (
      <Text role="status">{say(Object.keys(filters).length === 0 ? "none" : "noneFiltered")}</Text>
    );
  }
  const said = figure(BigInt(entries.length));
  return (
    <>
      <Balance entries={entries} isWhole={!hasGaps(filters)} />
      <div className={styles["bar"]}>
        <Text size="sm" role="status">
          {say(more.hasMore ? "shownMore" : "shown", { said, count: entries.length })}
        </Text>
        <Switch
          size="xs"
          label={say("grouped")}
          checked={isGrouped}
          onChange={(event) => setIsGrouped(event.currentTarget.checked)}
        />
        <CsvDownload />
      </div>
      {/* Newer entries are seen from the top. */}
      <StatementTable key={String(entries[0]!.sequence)} user={user} rows={rows} more={more} />
      <Text size="xs" c="dimmed">
        {say(isGrouped ? "groupedNote" : "orderNote")}
      </Text>
    </>
  );
}

function Balance({
  entries,
  isWhole,
}: {
  readonly entries: readonly Entry[];
  /** No entry between the first and the last is left out. */
  readonly isWhole: boolean;
}) {
  const say = useWords();
  const formats = useFormats();
  // The entries come first: the chart's script is larger than all else here.
  const isLater = useDeferredValue(true, false);
  const from = entries.at(-1)?.createTime;
  const to = entries[0]?.createTime;
  if (!isWhole) {
    return (
      <Text size="xs" c="dimmed">
        {say("noChart")}
      </Text>
    );
  }
  if (entries.length < 2 || from === undefined || to === undefined) return null;
  const { first, last, least, most } = balanceRange(entries);
  const sentence = say("chartSays", {
    first: formats.points(first),
    from: formats.instant(from),
    last: formats.points(last),
    to: formats.instant(to),
    least: formats.points(least),
    most: formats.points(most),
  });
  return (
    <div>
      <div className={styles["chart"]}>
        {isLater && (
          <Suspense>
            <BalanceChart entries={entries} label={sentence} />
          </Suspense>
        )}
      </div>
      <Text size="xs" c="dimmed">
        {sentence}
      </Text>
    </div>
  );
}
