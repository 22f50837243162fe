import { Button, Group, Paper, Stack } from "@mantine/core";
import { type FormEvent, useEffect, useRef } from "react";
import { useAskBeforeLeaving } from "../app/leaving.ts";
import type { Act } from "../parts/acts.ts";
import { ActFields } from "./act-fields.tsx";
import styles from "./act.module.css";
import { isUnderWay } from "./attempt.ts";
import { Outcome } from "./outcome.tsx";
import { Result } from "./result.tsx";
import { SubjectNote } from "./subject-note.tsx";
import type { Subject } from "./subject.ts";
import { type ActForm as Form, useActForm } from "./use-act-form.ts";
import { useWords } from "./words.ts";

/** The form of an act: what is asked for, what would be done, and then what was done. */
export function ActForm({
  user,
  act,
  subject,
  onAgain,
}: {
  readonly user: string;
  readonly act: Act;
  readonly subject: Subject;
  readonly onAgain: () => void;
}) {
  const say = useWords();
  const form = useActForm(user, act, subject);
  const { attempt } = form;
  // Leaving would lose the request id, and with it the way to find out what was done.
  useAskBeforeLeaving(isUnderWay(attempt) ? say("leave") : undefined);
  if (attempt.step === "done") return <Result user={user} done={attempt} onAgain={onAgain} />;
  return (
    <div className={styles["columns"]}>
      <Stack>
        <SubjectNote act={act} subject={subject} />
        <Paper withBorder p="md">
          <Inputs form={form} />
        </Paper>
      </Stack>
      <Outcome form={form} />
    </div>
  );
}

function Inputs({ form }: { readonly form: Form }) {
  const say = useWords();
  const element = useRef<HTMLFormElement>(null);
  const { attempt, timesFaulty, ask } = form;
  const isAsking = attempt.step === "editing" && attempt.asked !== undefined;
  const isSent = isUnderWay(attempt);
  // Where faults are found, not where one of them is mended.
  useEffect(() => {
    element.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [timesFaulty]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isAsking && !isSent) ask();
  };
  return (
    <form ref={element} noValidate onSubmit={submit}>
      <fieldset disabled={isSent} className={styles["fieldset"]}>
        <Stack>
          <ActFields form={form} />
          {!isSent && (
            <Group>
              <Button
                type="submit"
                variant={attempt.step === "editing" ? "filled" : "default"}
                loading={isAsking}
              >
                {say("preview")}
              </Button>
            </Group>
          )}
        </Stack>
      </fieldset>
    </form>
  );
}
