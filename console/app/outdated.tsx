import { Alert, Button, Text } from "@mantine/core";
import { RefusalNote } from "../parts/refusal-note.tsx";
import styles from "./outdated.module.css";
import { useWords } from "./layout-words.ts";

class FileMissing extends Error {}

/**
 * A file of the page that is loaded later. After an upgrade the server has others: then the page says so,
 * and does not reload by itself, for it would forget who signed in and what they typed.
 */
export function orOutdated<T>(file: Promise<T>): Promise<T> {
  return file.catch((cause: unknown) => {
    throw new FileMissing("a file of the page cannot be loaded", { cause });
  });
}

/** In place of a screen that failed. */
export function ScreenError({
  error,
  reset,
}: {
  readonly error: unknown;
  readonly reset: () => void;
}) {
  if (!(error instanceof FileMissing)) return <RefusalNote error={error} onRetry={reset} />;
  return <Outdated isScreen />;
}

/** In place of what is in a file that cannot be loaded. */
export function Outdated({ isScreen = false }: { readonly isScreen?: boolean }) {
  const say = useWords();
  const title = isScreen ? <h1 className={styles["title"]}>{say("outdated")}</h1> : say("outdated");
  return (
    <Alert role="alert" color="yellow" title={title}>
      <Text size="sm">{say("outdatedExplanation")}</Text>
      <Button mt="sm" variant="default" onClick={() => location.reload()}>
        {say("reload")}
      </Button>
    </Alert>
  );
}
