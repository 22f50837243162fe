import { Alert, Button, Group } from "@mantine/core";
import { ButtonLink } from "../parts/links.ts";
import type { Attempt } from "./attempt.ts";
import { BeforeAndAfter } from "./before-and-after.tsx";
import { StepSection } from "./step-section.tsx";
import { useWords } from "./words.ts";
import { Written } from "./written.tsx";

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
    <StepSection step="done" title={say("done")} maw="40rem">
      <Alert role="status" color="green" py="xs">
        {say(replayed ? "replayed" : entry ? "written" : "nothingDone")}
      </Alert>
      {entry && <Written entry={entry} account={account} before={replayed ? undefined : before} />}
      {!entry && account && <BeforeAndAfter before={before} after={account} />}
      <Group>
        <ButtonLink to="/account" search={{ user }}>
          {say("toAccount")}
        </ButtonLink>
        <Button variant="default" onClick={onAgain}>
          {say("again")}
        </Button>
      </Group>
    </StepSection>
  );
}
