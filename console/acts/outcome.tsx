import { Button, Group, Text } from "@mantine/core";
import { refusalOf } from "../../src/client/refusal.ts";
import { useSession } from "../app/session.tsx";
import { RefusalNote } from "../parts/refusal-note.tsx";
import type { Preview } from "./attempt.ts";
import { EntryInShort } from "./entry-in-short.tsx";
import { BeforeAndAfter } from "./before-and-after.tsx";
import { figuresBefore } from "./entry-alone.ts";
import { PolicyChangedNote } from "./policy-changed-note.tsx";
import { PolicyChanged } from "./same-policy.ts";
import { afterAll } from "./followed.ts";
import { FollowedList } from "./followed-list.tsx";
import { compareTimes } from "../parts/times.ts";
import { StepSection } from "./step-section.tsx";
import type { ActForm } from "./use-act-form.ts";
import { useWords } from "./words.ts";
import { Written } from "./written.tsx";

/** Beside the form: what would be done, and the button that does it; or why it was refused. */
export function Outcome({ form }: { readonly form: ActForm }) {
  const say = useWords();
  const { attempt, perform } = form;
  const isUnknown = attempt.step === "unknown";
  return (
    <StepSection step={attempt.step} title={say(isUnknown ? "sent" : "preview")}>
      {"error" in attempt && attempt.error !== undefined && (
        <WhyNot user={form.user} error={attempt.error} mayBeDone={isUnknown} />
      )}
      {"error" in attempt &&
        form.act === "revoke" &&
        refusalOf(attempt.error)?.reason === "INSUFFICIENT_POINTS" && (
          <Text size="sm">{say(form.subject.about ? "otherChoices-lot" : "otherChoices")}</Text>
        )}
      {attempt.step === "editing" && attempt.error === undefined && (
        <Text size="sm" c="dimmed">
          {say("nothingYet")}
        </Text>
      )}
      {(attempt.step === "previewed" || attempt.step === "unknown") && (
        <>
          <WhatWouldBe preview={attempt} isUnknown={isUnknown} />
          {isUnknown && <AskedByAnother actor={attempt.mutation.value.actor} />}
          {attempt.answer.entry && (
            <Group>
              <Button loading={attempt.isSent} onClick={perform}>
                {say(isUnknown ? "sendAgain" : "perform")}
              </Button>
            </Group>
          )}
        </>
      )}
    </StepSection>
  );
}

function WhyNot({
  user,
  error,
  mayBeDone,
}: {
  readonly user: string;
  readonly error: unknown;
  readonly mayBeDone: boolean;
}) {
  if (error instanceof PolicyChanged) return <PolicyChangedNote user={user} error={error} />;
  return <RefusalNote error={error} mayBeDone={mayBeDone} />;
}

/** What was sent is sent again as it was, also by whoever has signed in since. */
function AskedByAnother({ actor }: { readonly actor: string }) {
  const say = useWords();
  const { person } = useSession();
  if (person === undefined || person === actor) return null;
  return <Text size="sm">{say("askedByAnother", { actor })}</Text>;
}

function WhatWouldBe({
  preview: { answer, mutation },
  isUnknown,
}: {
  readonly preview: Preview;
  readonly isUnknown: boolean;
}) {
  const say = useWords();
  const { entry, account, replayed, followed } = answer;
  const rule = mutation.case === "putPolicy" ? mutation.value.policy?.rule : undefined;
  const start = rule?.case === "allowance" ? rule.value.startTime : undefined;
  const startsNow = rule?.case === "allowance" && compareTimes(start, entry?.createTime) <= 0;
  return (
    <>
      <Text size="sm" role="status">
        {say(isUnknown ? "wasSent" : replayed ? "replayed" : entry ? "wouldBe" : "nothingToDo")}
      </Text>
      {entry && replayed && <Written entry={entry} account={account} />}
      {entry && !replayed && (
        <>
          <EntryInShort entry={entry} isThere={false} />
          <FollowedList user={entry.userId} followed={followed ?? []} />
        </>
      )}
      {account && !(entry && replayed) && (
        <BeforeAndAfter
          before={entry ? figuresBefore(entry, account) : account}
          after={afterAll(account, followed ?? [])}
        />
      )}
      {followed === undefined && !replayed && (
        <Text size="sm" c="dimmed">
          {say("followsUnknown")}
        </Text>
      )}
      {(startsNow || entry?.sequence === 1n) && (
        <Text size="sm" c="dimmed">
          {say(startsNow ? "firstPoints" : "firstPolicies")}
        </Text>
      )}
    </>
  );
}
