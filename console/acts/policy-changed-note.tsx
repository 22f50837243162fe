import { Alert, Stack, Text } from "@mantine/core";
import { EntryLink } from "../parts/entry-link.tsx";
import type { PolicyChanged } from "./same-policy.ts";
import { useWords } from "./words.ts";

/** Why nothing was sent: the policy is not the one that the form was opened on. */
export function PolicyChangedNote({
  user,
  error: { policy: name, setBy },
}: {
  readonly user: string;
  readonly error: PolicyChanged;
}) {
  const say = useWords();
  const title = say(setBy === undefined ? "policyGone" : "policyAnother", { name });
  return (
    <Stack gap="xs">
      <Alert role="alert" color="red" title={title}>
        <Text size="sm">{say("policyChanged-next")}</Text>
      </Alert>
      {setBy !== undefined && (
        <Text size="sm">
          {say("setBy")} <EntryLink user={user} sequence={setBy} isInText /> {say("setByEnd")}
        </Text>
      )}
    </Stack>
  );
}
