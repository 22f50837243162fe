import { Paper, Stack, Text, Title } from "@mantine/core";
import { ConnectError } from "@connectrpc/connect";
import { refusalOf } from "../../src/client/refusal.ts";
import { useSession } from "../app/session.tsx";
import { CaughtUp } from "../parts/caught-up.tsx";
import { TextLink } from "../parts/links.ts";
import styles from "./find.module.css";
import type { Lookup, Lookups } from "./lookups.ts";
import { useWords } from "./results-words.ts";

/**
 * What could not be looked for and why; if nothing else was found, also what was looked for in vain, and
 * what might be meant.
 */
export function LookedFor({ text, lookups }: { readonly text: string; readonly lookups: Lookups }) {
  const say = useWords();
  const lines = useLines(lookups);
  const { account, entry, requestId, metadata, actor, prefix } = lookups;
  const isHit = [account, entry, requestId, metadata, actor].some((one) => one.found);
  const isFound = isHit || prefix.found !== undefined;
  const searches = [requestId, metadata, actor];
  const searched = isHit ? undefined : searches.find(({ state }) => state === "none");
  if (lines.length === 0) return null;
  return (
    <Paper withBorder p="md">
      <Stack gap="sm">
        <Title order={2} size="h5">
          {say(isFound ? "alsoLookedFor" : "lookedFor")}
        </Title>
        <ul className={styles["looked"]}>
          {lines.map((line) => (
            <li key={line}>
              <Text size="sm" className={styles["anywhere"]}>
                {line}
              </Text>
            </li>
          ))}
        </ul>
        {searched && <CaughtUp upTo={searched.caughtUpTo} />}
        {!isFound && <Meant text={text} lookups={lookups} />}
      </Stack>
    </Paper>
  );
}

/** A sentence for each thing that was not found. */
function useLines(lookups: Lookups): string[] {
  const say = useWords();
  const { may } = useSession();
  const whyNot = useWhyNot();
  const { user = "", requestId = "", actor = "", entry, metadata } = lookups.readings;
  const pair = metadata === undefined ? "" : `${metadata.key}=${metadata.value}`;
  const number = entry === undefined ? "" : `${entry.user}#${entry.sequence}`;
  const { account, requestId: byRequest, metadata: byMetadata, actor: byActor } = lookups;
  const isFound = [account, lookups.entry, byRequest, byMetadata, byActor].some((one) => one.found);
  const line = (lookup: Lookup<unknown>, none: string, what: string): string[] => {
    if (lookup.state === "none") return isFound ? [] : [none];
    return lookup.state === "failed" ? [whyNot(lookup.error, what)] : [];
  };
  const of = (what: string) => ({ what });
  return [
    ...line(lookups.account, say("noAccount", of(user)), `${say("account")} ${user}`),
    ...line(lookups.entry, say("noEntry", of(number)), `${say("entry")} ${number}`),
    ...line(lookups.requestId, say("noRequestId", of(requestId)), say("requestId", of(requestId))),
    ...line(lookups.metadata, say("noMetadata", of(pair)), say("metadata", of(pair))),
    ...line(lookups.actor, say("noActor", of(actor)), say("actor", of(actor))),
    ...line(lookups.prefix, say("noPrefix", of(user)), say("prefix", of(user))),
    ...(may("points.audit") ? [] : [say("noSearch")]),
    ...(may("points.read") || may("points.spend") ? [] : [say("noRead")]),
  ];
}

/** Why something could not be looked for, and what to do. */
function useWhyNot(): (error: unknown, what: string) => string {
  const say = useWords();
  return (error, what) => {
    const refusal = refusalOf(error);
    if (refusal?.reason === "NOT_PROJECTED") {
      const { key } = refusal;
      return key === undefined ? say("notBuilt", { what }) : say("noKey", { what, key });
    }
    if (refusal?.reason === "PERMISSION_DENIED") {
      const prefix = refusal.userIdPrefix;
      return prefix === undefined ? say("denied", { what }) : say("deniedUser", { what, prefix });
    }
    return say("failed", { what, message: ConnectError.from(error).rawMessage });
  };
}

function Meant({ text, lookups }: { readonly text: string; readonly lookups: Lookups }) {
  const say = useWords();
  const { may } = useSession();
  const { user, metadata, entry } = lookups.readings;
  const lower = text.toLowerCase();
  const beginning = entry?.user ?? user?.slice(0, Math.ceil(user.length / 2));
  return (
    <>
      <Title order={3} size="h6">
        {say("meant")}
      </Title>
      <ul className={styles["looked"]}>
        {may("points.audit") && !metadata && <Other words="named" q={`order=${text}`} />}
        {lower !== text && <Other words="otherCase" q={lower} />}
        {may("points.audit") && beginning !== undefined && beginning !== text && (
          <Other words="shorter" q={beginning} />
        )}
        {may("points.audit") &&
          (metadata
            ? (["settings", "whole", "lately", "erased"] as const)
            : (["whole", "lately", "erased"] as const)
          ).map((hint) => (
            <li key={hint}>
              <Text size="sm">{say(hint)}</Text>
            </li>
          ))}
      </ul>
    </>
  );
}

/** Another search, as a link. */
function Other({
  words,
  q,
}: {
  readonly words: "named" | "otherCase" | "shorter";
  readonly q: string;
}) {
  const say = useWords();
  return (
    <li>
      <TextLink to="/" search={{ q }} size="sm" className={styles["anywhere"]}>
        {say(words, { what: q })}
      </TextLink>
    </li>
  );
}
