import { timestampMs } from "@bufbuild/protobuf/wkt";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { Button, Text } from "@mantine/core";
import { useMemo, useState } from "react";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useSession } from "../app/session.tsx";
import { Loading } from "../parts/loading.tsx";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { LotRow, Part } from "./lot-row.tsx";
import styles from "./lots.module.css";
import { Section } from "./section.tsx";
import { type TimeLine, timeLineOf } from "./time-line.ts";
import { useDistances } from "./use-distance.ts";
import { useLotWords } from "./words.ts";

const PAGE_LOTS = 100;
/** More would push all else off the screen. */
const FIRST_LOTS = 10;

/** The lots in burn order, with what is left of each, and when it expires. */
export function Lots({ user, nowMs }: { readonly user: string; readonly nowMs: number }) {
  const say = useLotWords();
  const { may } = useSession();
  return (
    <Section title={say("title")} hint={say("order")}>
      {may("points.read") ? (
        <LotList user={user} nowMs={nowMs} />
      ) : (
        <Text c="dimmed">{say("hidden")}</Text>
      )}
    </Section>
  );
}

function LotList({ user, nowMs }: { readonly user: string; readonly nowMs: number }) {
  const say = useLotWords();
  const [shown, setShown] = useState(FIRST_LOTS);
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery(
    PointsService.method.listLots,
    { userId: user, pageSize: PAGE_LOTS, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: ({ nextPageToken }) => nextPageToken || null },
  );
  const lots = useMemo(() => data?.pages.flatMap((page) => page.lots) ?? [], [data]);
  const line = useMemo(() => {
    const expiries = lots.flatMap(({ expireTime }) => expireTime ?? []);
    return timeLineOf(nowMs, expiries.map(timestampMs));
  }, [lots, nowMs]);
  if (data === undefined) {
    if (error === null) return <Loading />;
    return <RefusalNote error={error} onRetry={() => void refetch()} />;
  }
  if (lots.length === 0) return <Text>{say("none")}</Text>;
  const visible = lots.slice(0, shown);
  const isMore = visible.length < lots.length || hasNextPage;
  const more = () => {
    setShown(shown + PAGE_LOTS);
    if (shown + PAGE_LOTS > lots.length && hasNextPage)
      void fetchNextPage({ cancelRefetch: false });
  };
  return (
    <>
      <Head line={line} />
      <ol className={styles["lots"]}>
        {visible.map((lot) => (
          <LotRow key={String(lot.number)} user={user} lot={lot} nowMs={nowMs} line={line} />
        ))}
      </ol>
      <div className={styles["foot"]}>
        <Text size="sm" c="dimmed" role="status">
          {say(isMore ? "shownFirst" : "shown", { count: visible.length })}
        </Text>
        {isMore && (
          <Button variant="default" size="xs" loading={isFetchingNextPage} onClick={more}>
            {say("more")}
          </Button>
        )}
      </div>
    </>
  );
}

/** What the columns are, and the time line's scale. */
function Head({ line }: { readonly line: TimeLine }) {
  const say = useLotWords();
  const { length } = useDistances();
  return (
    <div className={styles["head"]}>
      <span className={styles["name"]}>{say("lot")}</span>
      <span className={styles["legend"]}>
        <Part part="remaining">{say("left")}</Part>
        <Part part="frozen">{say("frozen")}</Part>
        <Part part="gone">{say("gone")}</Part>
      </span>
      <span className={styles["scale"]}>
        <span style={{ left: 0 }}>{say("now")}</span>
        {line.ticks.map((tick) => (
          <span key={tick.place} style={{ left: `${tick.place * DATED_PERCENT}%` }}>
            {length(tick)}
          </span>
        ))}
        <span style={{ right: 0 }}>{say("never")}</span>
      </span>
    </div>
  );
}

/** The time line's part for lots that expire; those that never do are at its end. */
const DATED_PERCENT = 84;
