import { Paper, Stack, Text, Title } from "@mantine/core";
import { TokenForm } from "./token-form.tsx";
import { useWords } from "./words.ts";

/** The first screen of a server that asks who calls. */
export function SignIn({ isRefused }: { readonly isRefused: boolean }) {
  const say = useWords();
  return (
    <Paper component="main" withBorder p="xl" maw="28rem" mx="auto" my="xl">
      <Stack>
        <Title order={1} size="h2">
          {say("title")}
        </Title>
        <Text c="dimmed">{say("explanation")}</Text>
        <TokenForm isRefused={isRefused} />
      </Stack>
    </Paper>
  );
}
