import { Alert, Button, Stack, Text } from "@mantine/core";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Refusal, refusalOf } from "../../src/client/refusal.ts";
import { isUnanswered } from "../../src/client/unanswered.ts";
import { type Formats, useFormats } from "../app/formats.ts";
import { wordsOf } from "../app/words.ts";
import styles from "./refusal-note.module.css";
import { refusalSentence } from "./refusal-sentence.ts";
import { REFUSAL_WORDS } from "./refusal-words.ts";

const useWords = wordsOf("refusal", REFUSAL_WORDS);

/**
 * Why a call was refused or failed, in words, and what to do about it.
 *
 * @param mayBeDone the call was to change something, and nobody knows whether it did
 */
export function RefusalNote({
  error,
  mayBeDone = false,
  onRetry,
}: {
  readonly error: unknown;
  readonly mayBeDone?: boolean;
  readonly onRetry?: () => void;
}) {
  const say = useWords();
  const formats = useFormats();
  const refusal = refusalOf(error);
  const sentence = refusal ? refusalSentence(refusal) : failureSentence(error);
  const facts = refusal ? factsInWords(refusal, formats, say("or")) : {};
  const seconds = Math.ceil((refusal?.retryDelayMs ?? 0) / 1_000);
  const lines = [
    sentence.next && !mayBeDone && say(sentence.next, facts),
    mayBeDone && say("mayBeDone"),
    seconds > 0 && say("wait", { seconds }),
  ].filter((line) => typeof line === "string");
  return (
    <Alert
      role="alert"
      color={mayBeDone ? "yellow" : "red"}
      title={say(sentence.why, facts)}
      className={styles["note"]}
    >
      <Stack gap="xs" align="flex-start">
        {lines.map((line) => (
          <Text key={line} size="sm">
            {line}
          </Text>
        ))}
        <Violations refusal={refusal} />
        <Details error={error} refusal={refusal} title={say("details")} />
        {onRetry && (
          <Button variant="default" size="xs" onClick={onRetry}>
            {say("retry")}
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

function failureSentence(error: unknown) {
  const failure = ConnectError.from(error);
  const isLost = isUnanswered(failure) || failure.code === Code.Unavailable;
  if (!isLost) return { why: "unexpected", next: undefined } as const;
  return { why: "unanswered", next: "unanswered_next" } as const;
}

/**
 * Numbers of points and instants as the page writes them; numbers of entries as they are.
 *
 * @param or stands between rights of which each is enough
 */
function factsInWords(
  refusal: Refusal,
  { points, instant }: Formats,
  or: string,
): Record<string, string> {
  const names = new Set(["sequence", "lot", "hold"]);
  const words: Record<string, string> = {};
  for (const [name, fact] of Object.entries(refusal)) {
    if (typeof fact === "bigint") words[name] = names.has(name) ? String(fact) : points(fact);
    if (typeof fact === "string") words[name] = fact;
    if (name === "scope" && typeof fact === "string") words[name] = fact.replaceAll(" ", or);
    if (name === "resetsTime" && typeof fact === "string") {
      words[name] = instant(timestampFromDate(new Date(fact)));
    }
  }
  return words;
}

function Violations({ refusal }: { readonly refusal: Refusal | undefined }) {
  if (!refusal || refusal.violations.length === 0) return null;
  return (
    <ul className={styles["violations"]}>
      {refusal.violations.map(({ field, description }) => (
        <li key={`${field} ${description}`}>
          <code>{field}</code> <span lang="en">{description}</span>
        </li>
      ))}
    </ul>
  );
}

/** What a developer or an operator needs: the server's own words. */
function Details({
  error,
  refusal,
  title,
}: {
  readonly error: unknown;
  readonly refusal: Refusal | undefined;
  readonly title: string;
}) {
  const { rawMessage } = ConnectError.from(error);
  const id = refusal?.reason === "INTERNAL" ? refusal.errorId : undefined;
  return (
    <details className={styles["details"]}>
      <summary>{title}</summary>
      <Text size="sm" mt="xs" lang="en">
        {rawMessage}
      </Text>
      <Text size="xs" c="dimmed" ff="monospace">
        {[refusal?.reason ?? Code[ConnectError.from(error).code], id].filter(Boolean).join(" · ")}
      </Text>
    </details>
  );
}
