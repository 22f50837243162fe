import { Alert, Button, Group, Paper, Stack } from "@mantine/core";
import { ButtonLink } from "../parts/links.ts";
import type { Attempt } from "./attempt.ts";
import { EntryFacts } from "./entry-facts.tsx";
import { Figures } from "./figures.tsx";
import { Heading } from "./outcome.tsx";
import { useWords } from "./words.ts";

/** What was done, and how the account is after it. */
export function Result({
  user,
  done: { answer, before },
  onAgain,
}: {
  readonly user: string;
  readonly done: Extract<Attempt, { step: "done" }>;
  readonly onAgain: () => void;
}) {
  const say = useWords();
  const { entry, account, replayed } = answer;
  return (
    <Paper withBorder p="md" component="section" aria-labelledby="outcome" maw="40rem">
      <Stack>
        <Heading step="done">{say("done")}</Heading>
        <Alert role="status" color="green" py="xs">
          {say(replayed ? "replayed" : entry ? "written" : "nothingDone")}
        </Alert>
        {entry && <EntryFacts entry={entry} isThere />}
        {account && <Figures before={replayed ? undefined : before} after={account} />}
        <Group>
          <ButtonLink to="/account" search={{ user }}>
            {say("toAccount")}
          </ButtonLink>
          <Button variant="default" onClick={onAgain}>
            {say("again")}
          </Button>
        </Group>
      </Stack>
    </Paper>
  );
}
