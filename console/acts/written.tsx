import { Text } from "@mantine/core";
import { useQuery } from "@connectrpc/connect-query";
import type { Account, Entry } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { Loading } from "../parts/loading.tsx";
import { instantOf } from "../parts/right-after.ts";
import { BeforeAndAfter } from "./before-and-after.tsx";
import { figuresBefore } from "./entry-alone.ts";
import { EntryInShort } from "./entry-in-short.tsx";
import { afterAll, followedIn } from "./followed.ts";
import { FollowedList } from "./followed-list.tsx";
import { useWords } from "./words.ts";

/** More than one act can cause, but for one that gives points back to half a million lots. */
const ENTRIES_READ = 1_000;

/**
 * An entry of the journal, what the ledger did by itself right after it, and the figures after all of
 * that: those of an answer are as its own entry left them.
 */
export function Written({
  entry,
  account,
}: {
  readonly entry: Entry;
  readonly account: Account | undefined;
}) {
  const say = useWords();
  const { userId, createTime, sequence } = entry;
  const { data, isPending } = useQuery(PointsService.method.listEntries, {
    userId,
    pageSize: ENTRIES_READ,
    minSequence: sequence,
    ...(createTime && instantOf(createTime)),
  });
  const isKnown = data !== undefined && data.nextPageToken === "";
  const followed = isKnown ? followedIn(entry, data.entries) : [];
  return (
    <>
      <EntryInShort entry={entry} isThere />
      <FollowedList user={userId} followed={followed} />
      {isPending ? (
        <Loading />
      ) : (
        account && (
          <BeforeAndAfter
            before={figuresBefore(entry, account)}
            after={afterAll(account, followed)}
          />
        )
      )}
      {!isPending && !isKnown && (
        <Text size="sm" c="dimmed">
          {say("followedUnknown")}
        </Text>
      )}
    </>
  );
}
