import { Button, Group } from "@mantine/core";
import { ButtonLink } from "../parts/links.ts";
import type { Attempt } from "./attempt.ts";
import { BeforeAndAfter } from "./before-and-after.tsx";
import { DoneNote } from "./done-note.tsx";
import { PolicyMeanwhile } from "./policy-meanwhile.tsx";
import { policyNamedIn } from "./same-policy.ts";
import { StepSection } from "./step-section.tsx";
import { useWords } from "./words.ts";
import { Written } from "./written.tsx";

/** What was done, and how the account is after it. */
export function Result({
  user,
  done,
  onAgain,
}: {
  readonly user: string;
  readonly done: Extract<Attempt, { step: "done" }>;
  readonly onAgain: () => void;
}) {
  const say = useWords();
  const { entry, account } = done.answer;
  const policy = policyNamedIn(done.mutation);
  return (
    <StepSection step="done" title={say("done")} maw="40rem">
      <DoneNote done={done} />
      {entry && done.shown.entry && policy !== undefined && (
        <PolicyMeanwhile entry={entry} shown={done.shown.entry} name={policy} />
      )}
      {entry && <Written entry={entry} account={account} />}
      {!entry && account && <BeforeAndAfter before={account} after={account} />}
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
