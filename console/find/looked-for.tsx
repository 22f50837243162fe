import { Stack, Text, Title } from "@mantine/core";
import { ConnectError } from "@connectrpc/connect";
import { refusalOf } from "../../src/client/refusal.ts";
import { useSession } from "../app/session.tsx";
import { CaughtUp } from "../parts/caught-up.tsx";
import { Section } from "../parts/section.tsx";
import { TextLink } from "../parts/links.ts";
import styles from "./find.module.css";
import { isHit, type Lookup } from "./lookups.ts";
import { readingsOf } from "./readings.ts";
import { useWords } from "./results-words.ts";

/**
 * What could not be looked for and why; if nothing else was found, also what was looked for in vain, and
 * what might be meant.
 */
export function LookedFor({ text, lookups }: Props) {
  const say = useWords();
  const lines = useLines(lookups);
  const isFound = lookups.some(({ state }) => state === "found");
  const inVain = lookups.some(isHit)
    ? undefined
    : lookups.find(({ state, search }) => state === "none" && search !== undefined);
  if (lines.length === 0) return null;
  return (
    <Section title={say(isFound ? "alsoLookedFor" : "lookedFor")}>
      <Stack gap="sm">
        <ul className={styles["looked"]}>
          {lines.map((line) => (
            <li key={line}>
              <Text size="sm" className={styles["anywhere"]}>
                {line}
              </Text>
            </li>
          ))}
        </ul>
        {inVain && <CaughtUp upTo={inVain.search?.caughtUpTo} />}
        {!isFound && <Meant text={text} />}
      </Stack>
    </Section>
  );
}

type Props = { readonly text: string; readonly lookups: readonly Lookup[] };

/** A sentence for each thing that was not found. */
function useLines(lookups: readonly Lookup[]): string[] {
  const say = useWords();
  const { may } = useSession();
  const whyNot = useWhyNot();
  const isFound = lookups.some(isHit);
  const lines = lookups.flatMap(({ name, what, state, error, search }) => {
    // What is said beside a button that looks further.
    if (state === "none" && search?.more.hasMore) return [];
    if (state === "none") return isFound ? [] : [say(`${name}-none`, { what })];
    const isOne = name === "account" || name === "entry";
    return state === "failed"
      ? [whyNot(error, isOne ? `${say(name)} ${what}` : say(name, { what }))]
      : [];
  });
  return [
    ...lines,
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

function Meant({ text }: { readonly text: string }) {
  const say = useWords();
  const { may } = useSession();
  const { user, metadata, entry } = readingsOf(text);
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
