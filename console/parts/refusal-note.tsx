import { Alert, Button, Text } from "@mantine/core";
import { ConnectError } from "@connectrpc/connect";
import { refusalOf } from "../../src/client/refusal.ts";
import { wordsOf } from "../app/words.ts";

const useWords = wordsOf("refusal", {
  en: { title: "That did not work", retry: "Try again" },
  zh: { title: "操作未成功", retry: "重试" },
});

/** Why a call was refused or failed. */
export function RefusalNote({
  error,
  onRetry,
}: {
  readonly error: unknown;
  readonly onRetry?: () => void;
}) {
  const say = useWords();
  const { rawMessage } = ConnectError.from(error);
  return (
    <Alert role="alert" color="red" title={refusalOf(error)?.reason ?? say("title")}>
      <Text size="sm">{rawMessage}</Text>
      {onRetry && (
        <Button mt="sm" variant="default" onClick={onRetry}>
          {say("retry")}
        </Button>
      )}
    </Alert>
  );
}
