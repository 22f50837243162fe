import { Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { hexOf } from "../parts/hex.ts";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { canHash, checkLinks } from "./chain.ts";
import { useEntry, useLastSequence } from "./entry-queries.ts";
import { useWords } from "./words.ts";

/** Whether an entry fits between its neighbours, by hashes that this browser computes itself. */
export function ChainNote({ entry }: { readonly entry: Entry }) {
  const say = useWords();
  return (
    <Stack gap="xs">
      <Title order={3} size="h4">
        {say("chain")}
      </Title>
      {canHash() ? <Links entry={entry} /> : <Text size="sm">{say("cannotHash")}</Text>}
    </Stack>
  );
}

function Links({ entry }: { readonly entry: Entry }) {
  const say = useWords();
  const { userId: user, sequence } = entry;
  const { last, error: lastError } = useLastSequence(user);
  const before = useEntry(user, sequence > 1n ? sequence - 1n : undefined);
  const hasNext = last !== undefined && sequence < last;
  const after = useEntry(user, hasNext ? sequence + 1n : undefined);
  const isRead =
    last !== undefined &&
    (sequence === 1n || before.data !== undefined) &&
    (!hasNext || after.data !== undefined);
  const neighbours = {
    before: sequence > 1n ? before.data?.entry : undefined,
    after: hasNext ? after.data?.entry : undefined,
  };
  const { data: links } = useQuery({
    // By what is hashed too: after a restore a number may be another entry's.
    queryKey: [
      "links",
      user,
      String(sequence),
      ...hashesOf(neighbours.before, entry, neighbours.after),
    ],
    queryFn: () => checkLinks(entry, neighbours),
    enabled: isRead,
  });
  const error = lastError ?? before.error ?? after.error;
  if (error) return <RefusalNote error={error} />;
  if (links === undefined) return <Text size="sm">{say("checking")}</Text>;
  const { isOwnRight, isNextRight } = links;
  const n = String(sequence + 1n);
  return (
    <Text
      size="sm"
      role={isOwnRight && isNextRight !== false ? "status" : "alert"}
      {...(!(isOwnRight && isNextRight !== false) && { c: "var(--mantine-color-error)" })}
    >
      {say(isOwnRight ? "chainRight" : "chainWrong")}{" "}
      {isNextRight === undefined
        ? say("isLast")
        : say(isNextRight ? "nextRight" : "nextWrong", { n })}
    </Text>
  );
}

function hashesOf(...entries: readonly (Entry | undefined)[]): readonly (string | undefined)[] {
  return entries.map((entry) => entry && hexOf(entry.hash));
}
