import { Alert, Stack, Text } from "@mantine/core";
import { useFormats } from "../app/formats.ts";
import type { Attempt } from "./attempt.ts";
import { differences } from "./entry-alone.ts";
import { uncoveredOf } from "./entry-in-short.tsx";
import { useWords } from "./words.ts";

/** That it is done; and plainly, if it is not what the preview showed. */
export function DoneNote({
  done: { answer, shown },
}: {
  readonly done: Extract<Attempt, { step: "done" }>;
}) {
  const say = useWords();
  const { points } = useFormats();
  const { entry, replayed } = answer;
  const other = entry && shown.entry ? differences(shown.entry, entry) : [];
  const isOther = other.length > 0 || (shown.entry !== undefined && entry === undefined);
  return (
    <Alert role="status" color={isOther ? "yellow" : "green"} py="xs">
      <Stack gap={4}>
        <span>{say(replayed ? "replayed" : entry ? "written" : "nothingDone")}</span>
        {isOther && <Text size="sm">{say("notAsShown")}</Text>}
        {entry &&
          other.map(({ number, ...one }) => (
            <Text key={number} size="sm" fw={700}>
              {say("insteadOf", {
                what: say(number === "uncovered" ? uncoveredOf(entry) : number),
                done: points(one.done),
                shown: points(one.shown),
              })}
            </Text>
          ))}
      </Stack>
    </Alert>
  );
}
