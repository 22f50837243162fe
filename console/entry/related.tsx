import { Group, Stack, Text, Title } from "@mantine/core";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { EntryLink } from "../parts/entry-link.tsx";
import { KindBadge } from "../parts/kind-badge.tsx";
import { signOf } from "../parts/signs.ts";
import styles from "./entry.module.css";
import { useEntry } from "./entry-queries.ts";
import { useWords } from "./words.ts";

/** What an entry refers to, and what refers to it. */
export function Related({
  entry,
  referring,
}: {
  readonly entry: Entry;
  readonly referring: readonly bigint[];
}) {
  const say = useWords();
  const { userId: user, refersTo } = entry;
  if (refersTo === 0n && referring.length === 0) return null;
  return (
    <Stack gap="xs">
      <Title order={3} size="h4">
        {say("related")}
      </Title>
      {refersTo > 0n && (
        <Group gap="xs">
          <Text size="sm">{say("refersTo")}</Text>
          <Short user={user} sequence={refersTo} />
        </Group>
      )}
      {referring.length > 0 && (
        <div>
          <Text size="sm">{say("referring")}</Text>
          <ul className={styles["related"]}>
            {referring.slice(0, SHOWN).map((sequence) => (
              <li key={String(sequence)}>
                <Short user={user} sequence={sequence} />
              </li>
            ))}
          </ul>
          <Group gap="xs">
            {referring.slice(SHOWN).map((sequence) => (
              <EntryLink key={String(sequence)} user={user} sequence={sequence} />
            ))}
          </Group>
          {referring.length >= LISTED && <Text size="sm">{say("referringMore")}</Text>}
        </div>
      )}
    </Stack>
  );
}

/** How many are told in words; the others by their numbers. */
const SHOWN = 10;
/** The most that the server lists. */
const LISTED = 100;

function Short({ user, sequence }: { readonly user: string; readonly sequence: bigint }) {
  const formats = useFormats();
  const entry = useEntry(user, sequence).data?.entry;
  const sign = entry === undefined ? 0n : signOf(entry.kind);
  return (
    <Group gap="xs" component="span" display="inline-flex" fz="sm">
      <EntryLink user={user} sequence={sequence} />
      {entry && <KindBadge kind={entry.kind} />}
      {entry && (
        <Text span size="sm">
          {sign === 0n ? formats.points(entry.points) : formats.change(sign * entry.points)}
        </Text>
      )}
      {entry?.createTime && (
        <Text span size="sm" c="dimmed">
          {formats.instant(entry.createTime)}
        </Text>
      )}
    </Group>
  );
}
