import { Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect, useRef } from "react";
import { RefusalNote } from "../parts/refusal-note.tsx";
import styles from "./act.module.css";
import type { Attempt, Preview } from "./attempt.ts";
import { EntryFacts } from "./entry-facts.tsx";
import { Figures } from "./figures.tsx";
import type { ActForm } from "./use-act-form.ts";
import { useWords } from "./words.ts";

/** Beside the form: what would be done, and the button that does it; or why it was refused. */
export function Outcome({ form }: { readonly form: ActForm }) {
  const say = useWords();
  const { attempt, perform } = form;
  const isUnknown = attempt.step === "unknown";
  return (
    <Paper withBorder p="md" component="section" aria-labelledby="outcome">
      <Stack>
        <Heading step={attempt.step}>{say(isUnknown ? "sent" : "preview")}</Heading>
        {"error" in attempt && attempt.error !== undefined && (
          <RefusalNote error={attempt.error} mayBeDone={isUnknown} />
        )}
        {attempt.step === "editing" && attempt.error === undefined && (
          <Text size="sm" c="dimmed">
            {say("nothingYet")}
          </Text>
        )}
        {(attempt.step === "previewed" || attempt.step === "unknown") && (
          <>
            <WhatWouldBe preview={attempt} isUnknown={isUnknown} />
            {attempt.answer.entry && (
              <Group>
                <Button loading={attempt.isSent} onClick={perform}>
                  {say(isUnknown ? "sendAgain" : "perform")}
                </Button>
              </Group>
            )}
          </>
        )}
      </Stack>
    </Paper>
  );
}

/** Gets the focus at each step, so that whoever works by keyboard or by ear goes on from there. */
export function Heading({
  step,
  children,
}: {
  readonly step: Attempt["step"];
  readonly children: ReactNode;
}) {
  const element = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (step !== "editing") element.current?.focus();
  }, [step]);
  return (
    <Title
      ref={element}
      id="outcome"
      order={3}
      size="h4"
      tabIndex={-1}
      className={styles["heading"]}
    >
      {children}
    </Title>
  );
}

function WhatWouldBe({
  preview: { answer, before, mutation },
  isUnknown,
}: {
  readonly preview: Preview;
  readonly isUnknown: boolean;
}) {
  const say = useWords();
  const { entry, account, replayed } = answer;
  const rule = mutation.case === "putPolicy" ? mutation.value.policy?.rule : undefined;
  const startsNow = rule?.case === "allowance" && rule.value.startTime === undefined;
  return (
    <>
      <Text size="sm" role="status">
        {say(isUnknown ? "wasSent" : replayed ? "replayed" : entry ? "wouldBe" : "nothingToDo")}
      </Text>
      {entry && <EntryFacts entry={entry} isThere={replayed} />}
      {account && <Figures before={replayed ? undefined : before} after={account} />}
      {startsNow && (
        <Text size="sm" c="dimmed">
          {say("firstPoints")}
        </Text>
      )}
    </>
  );
}
