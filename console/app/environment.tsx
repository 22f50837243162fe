import { Badge, Group, Text } from "@mantine/core";
import type { ReactNode } from "react";
import styles from "./environment.module.css";
import { usePageSettings } from "./settings.ts";

/**
 * The head of each page: which environment this is, as a word, and as a colour that is seen at once.
 * What else is in the head comes beside it.
 */
export function Environment({ children }: { readonly children: ReactNode }) {
  const { label } = usePageSettings();
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
        </Group>
        {children}
      </div>
    </>
  );
}
