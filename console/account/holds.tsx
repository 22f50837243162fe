import { timestampMs } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { Badge, Button, Text } from "@mantine/core";
import type { Hold } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useFormats } from "../app/formats.ts";
import { ActLink } from "../parts/act-link.tsx";
import { Awaited } from "../parts/awaited.tsx";
import { EntryLink } from "../parts/entry-link.tsx";
import accountStyles from "./account.module.css";
import styles from "./holds.module.css";
import { Instant } from "../parts/instant.tsx";
import { Section } from "../parts/section.tsx";
import { useDistances } from "./use-distance.ts";
import { useList } from "./use-list.ts";
import { useHoldWords } from "./words.ts";

// Each hold's entry is read too, once.
const PAGE_HOLDS = 20;

type Props = { readonly user: string; readonly nowMs: number };

/** The holds that are open: what they are for, until when, and what they still have. */
export function Holds({ user, nowMs }: Props) {
  const say = useHoldWords();
  return (
    <Section title={say("title")} hint={say("hint")}>
      <HoldList user={user} nowMs={nowMs} />
    </Section>
  );
}

function HoldList({ user, nowMs }: Props) {
  const say = useHoldWords();
  const asked = useList(PointsService.method.listHolds, user, ({ listHolds }, at, options) =>
    listHolds({ userId: user, openOnly: true, pageSize: PAGE_HOLDS, ...at }, options),
  );
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = asked;
  return (
    <>
      <Awaited of={asked}>
        {({ pages }) => {
          const holds = pages.flatMap((page) => page.holds);
          if (holds.length === 0) return <Text>{say("none")}</Text>;
          return (
            <ul className={accountStyles["rows"]}>
              {holds.map((hold) => (
                <HoldRow key={String(hold.number)} user={user} hold={hold} nowMs={nowMs} />
              ))}
            </ul>
          );
        }}
      </Awaited>
      {hasNextPage && (
        <Button
          mt="sm"
          variant="default"
          size="xs"
          loading={isFetchingNextPage}
          onClick={() => void fetchNextPage({ cancelRefetch: false })}
        >
          {say("more")}
        </Button>
      )}
    </>
  );
}

function HoldRow({ user, hold, nowMs }: Props & { readonly hold: Hold }) {
  const say = useHoldWords();
  const { points } = useFormats();
  const { until } = useDistances();
  const leftMs = timestampMs(hold.expireTime!) - nowMs;
  const distance = until(leftMs);
  return (
    <li className={styles["hold"]}>
      <EntryLink user={user} sequence={hold.number} />
      <Purpose user={user} hold={hold} />
      <div className={styles["amount"]}>
        <Text span size="xs" c="dimmed">
          {say("has")}
        </Text>
        <strong>
          {say("hasOf", { points: points(hold.points - hold.settled), all: points(hold.points) })}
        </strong>
      </div>
      <div className={styles["until"]}>
        <Text span size="xs" c="dimmed">
          {say("until")}
        </Text>
        <span>
          <Instant time={hold.expireTime!} />
          <span className={styles["distance"]}>{leftMs <= 0 ? say("over") : distance}</span>
        </span>
      </div>
      <div>
        <ActLink
          user={user}
          act="release"
          of={hold.number}
          about={say("named", { hold: String(hold.number) })}
        />
      </div>
    </li>
  );
}

/** What a hold is for: what it says itself, and what whoever asked for it wrote on its entry. */
function Purpose({ user, hold }: { readonly user: string; readonly hold: Hold }) {
  const say = useHoldWords();
  const { data } = useQuery(
    PointsService.method.getEntry,
    { userId: user, by: { case: "sequence", value: hold.number } },
    // Nobody changes an entry but an erasure, after which there is no such account any more: then
    // all is forgotten, see queries.ts.
    { staleTime: Infinity, refetchOnWindowFocus: false },
  );
  const { metadata = {}, actor = "" } = data?.entry ?? {};
  return (
    <div className={styles["purpose"]}>
      <span className={styles["service"]}>
        {hold.service === "" ? say("byPoints") : hold.service}
        {hold.member !== "" && ` · ${say("by", { member: hold.member })}`}
        {actor !== "" && ` · ${actor}`}
      </span>
      {Object.entries(metadata).map(([key, value]) => (
        <Badge key={key} variant="default" size="sm" tt="none" fw={400} className={styles["note"]}>
          {key}: {value}
        </Badge>
      ))}
    </div>
  );
}
