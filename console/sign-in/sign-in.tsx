import { Paper, Stack, Text, Title } from "@mantine/core";
import { Environment } from "../app/environment.tsx";
import { Preferences } from "../app/preferences.tsx";
import { forgetAnswers } from "../app/queries.ts";
import styles from "./sign-in.module.css";
import { WaysIn } from "./ways-in.tsx";
import { useWords } from "./words.ts";

/** The first screen of a server that asks who calls. */
export function SignIn({ isRefused }: { readonly isRefused: boolean }) {
  const say = useWords();
  return (
    <>
      <header>
        <Environment>
          <Preferences />
        </Environment>
      </header>
      <main className={styles["main"]}>
        <Paper withBorder p="xl">
          <Stack>
            <Title order={1} size="h2">
              {say("title")}
            </Title>
            <Text c="dimmed">{say("explanation")}</Text>
            <WaysIn isRefused={isRefused} onSignedIn={forgetAnswers} />
          </Stack>
        </Paper>
      </main>
    </>
  );
}
