import { Badge, Button, Group, Text } from "@mantine/core";
import type { ReactNode } from "react";
import styles from "./environment.module.css";
import { useWords } from "./layout-words.ts";
import { usePageSettings } from "./settings.ts";

/**
 * The head of each page: which environment this is, as a word, and as a colour that is seen at once.
 * What else is in the head comes beside it.
 */
export function Environment({ children }: { readonly children: ReactNode }) {
  const say = useWords();
  const { settings, again } = usePageSettings();
  const { label } = settings;
  const colour = label && `var(--mantine-color-${label.colour}-filled)`;
  return (
    <>
      {label && <div className={styles["bar"]} style={{ backgroundColor: colour }} />}
      <div className={styles["head"]}>
        <Group gap="sm">
          <Text fw={700}>Points</Text>
          {label && (
            <Badge color={label.colour} variant="dot" size="lg" tt="none">
              {label.word}
            </Badge>
          )}
          {again && (
            <Group role="alert" gap="xs">
              <Badge variant="default" size="lg" tt="none">
                {say("unknownLabel")}
              </Badge>
              <Button variant="default" size="compact-xs" onClick={again}>
                {say("again")}
              </Button>
            </Group>
          )}
        </Group>
        {children}
      </div>
    </>
  );
}
