import { useInfiniteQuery } from "@connectrpc/connect-query";
import { Stack, Switch, Text } from "@mantine/core";
import { useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useDeferredValue, useMemo, useState } from "react";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useFormats } from "../app/formats.ts";
import { AccountTabs } from "../parts/account-tabs.tsx";
import { Loading } from "../parts/loading.tsx";
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

const BalanceChart = lazy(async () => {
  const { BalanceChart: chart } = await import("./balance-chart.tsx");
  return { default: chart };
});

/** What happened to an account, newest first. */
export function StatementScreen() {
  const say = useWords();
  const search = useSearch({ from: "/statement" });
  useTitle(say("title", { user: search.user }));
  const { entries, asOf, error, isPending, refetch, onEnd } = useStatement();
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
        {entries && <Entries entries={entries} onEnd={onEnd} />}
      </Stack>
    </>
  );
}

const PAGE = 100;

function useStatement() {
  const search = useSearch({ from: "/statement" });
  const { data, error, isPending, refetch, hasNextPage, isFetching, fetchNextPage } =
    useInfiniteQuery(
      PointsService.method.listEntries,
      { ...requestOf(search), pageSize: PAGE, pageToken: "" },
      {
        pageParamKey: "pageToken",
        getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
        // All pages would be read again; older ones never change.
        refetchOnWindowFocus: false,
      },
    );
  const entries = useMemo(() => data?.pages.flatMap((page) => page.entries), [data]);
  const more = useCallback(() => {
    if (!isFetching) void fetchNextPage();
  }, [isFetching, fetchNextPage]);
  return {
    entries,
    asOf: data?.pages[0]?.asOf,
    error,
    isPending,
    refetch: () => void refetch(),
    onEnd: hasNextPage ? more : undefined,
  };
}

function Entries({
  entries,
  onEnd,
}: {
  readonly entries: readonly Entry[];
  readonly onEnd: (() => void) | undefined;
}) {
  const say = useWords();
  const { points: figure } = useFormats();
  const { user, ...filters } = useSearch({ from: "/statement" });
  const [isGrouped, setIsGrouped] = useState(true);
  const rows = useMemo(() => (isGrouped ? arrange : inOrder)(entries), [isGrouped, entries]);
  if (entries.length === 0) {
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
          {onEnd ? say("shownMore", { said }) : say("shown", { said, count: entries.length })}
        </Text>
        <Switch
          size="xs"
          label={say("grouped")}
          checked={isGrouped}
          onChange={(event) => setIsGrouped(event.currentTarget.checked)}
        />
        <CsvDownload />
      </div>
      <StatementTable user={user} rows={rows} onEnd={onEnd} />
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
