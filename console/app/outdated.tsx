import { Alert, Button, Text, Title } from "@mantine/core";
import { RefusalNote } from "../parts/refusal-note.tsx";
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
  const say = useWords();
  if (!(error instanceof FileMissing)) return <RefusalNote error={error} onRetry={reset} />;
  return (
    <Alert
      role="alert"
      color="yellow"
      title={
        <Title order={1} size="h5">
          {say("outdated")}
        </Title>
      }
    >
      <Text size="sm">{say("outdatedExplanation")}</Text>
      <Button mt="sm" variant="default" onClick={() => location.reload()}>
        {say("reload")}
      </Button>
    </Alert>
  );
}
