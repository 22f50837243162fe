import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Button, Text } from "@mantine/core";
import { useState } from "react";
import type { Lot } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useSession } from "../app/session.tsx";
import { Awaited } from "../parts/awaited.tsx";
import { LotRow, Part } from "./lot-row.tsx";
import styles from "./lots.module.css";
import { Section } from "../parts/section.tsx";
import { type TimeLine, timeLineOf } from "./time-line.ts";
import { useDistances } from "./use-distance.ts";
import { useList } from "./use-list.ts";
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
  const asked = useList(PointsService.method.listLots, user, ({ listLots }, at, options) =>
    listLots({ userId: user, pageSize: PAGE_LOTS, ...at }, options),
  );
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = asked;
  const next = hasNextPage
    ? { isLoading: isFetchingNextPage, ask: () => void fetchNextPage({ cancelRefetch: false }) }
    : undefined;
  return (
    <Awaited of={asked}>
      {({ pages }) => (
        <LoadedLots
          user={user}
          nowMs={nowMs}
          lots={pages.flatMap(({ lots }) => lots)}
          next={next}
        />
      )}
    </Awaited>
  );
}

/** The first of the lots, and more when they are asked for. */
function LoadedLots({
  user,
  nowMs,
  lots,
  next,
}: {
  readonly user: string;
  readonly nowMs: number;
  readonly lots: readonly Lot[];
  /** The page after these. Undefined: these are all. */
  readonly next: { readonly isLoading: boolean; readonly ask: () => void } | undefined;
}) {
  const say = useLotWords();
  const [shown, setShown] = useState(FIRST_LOTS);
  const expiries = lots.flatMap(({ expireTime }) => expireTime ?? []);
  const line = timeLineOf(nowMs, expiries.map(timestampMs));
  if (lots.length === 0) return <Text>{say("none")}</Text>;
  const visible = lots.slice(0, shown);
  const isMore = visible.length < lots.length || next !== undefined;
  const more = () => {
    setShown(shown + PAGE_LOTS);
    if (shown + PAGE_LOTS > lots.length) next?.ask();
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
          <Button variant="default" size="xs" loading={next?.isLoading ?? false} onClick={more}>
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
