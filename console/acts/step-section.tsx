import { Paper, Stack, Title } from "@mantine/core";
import { type ReactNode, useEffect, useId, useRef } from "react";
import styles from "./act.module.css";
import type { Attempt } from "./attempt.ts";

/**
 * What an act has come to. Its heading gets the focus at each step, so that whoever works by keyboard
 * or by ear goes on from there.
 */
export function StepSection({
  step,
  title,
  maw,
  children,
}: {
  readonly step: Attempt["step"];
  readonly title: string;
  readonly maw?: string;
  readonly children: ReactNode;
}) {
  const id = useId();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (step !== "editing") heading.current?.focus();
  }, [step]);
  return (
    <Paper withBorder p="md" component="section" aria-labelledby={id} {...(maw && { maw })}>
      <Stack>
        <Title
          ref={heading}
          id={id}
          order={3}
          size="h4"
          tabIndex={-1}
          className={styles["heading"]}
        >
          {title}
        </Title>
        {children}
      </Stack>
    </Paper>
  );
}
