import { Button, Group, Stack, Text, TextInput, Title } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, Suspense, useEffect, useRef, useState } from "react";
import { lazily } from "../app/lazily.tsx";
import { useSession } from "../app/session.tsx";
import { TextLink } from "../parts/links.ts";
import { Loading } from "../parts/loading.tsx";
import { Section } from "../parts/section.tsx";
import { useTitle } from "../parts/title.ts";
import styles from "./find.module.css";
import { forgetFinds, useRecentFinds } from "./recent-finds.ts";
import { useWords } from "./words.ts";

// The first screen is the box: what it finds is loaded when somebody looks for something.
const Results = lazily(async () => (await import("./results.tsx")).Results);

/** One box for all that somebody may have in hand. What it looks for is in the address. */
export function FindScreen() {
  const say = useWords();
  const { q = "" } = useSearch({ from: "/" });
  useTitle(q === "" ? say("title") : `${say("title")}: ${q}`);
  return (
    <Stack gap="lg" className={styles["screen"]}>
      <Title order={1} size="h2">
        {say("title")}
      </Title>
      <Box key={q} initial={q} />
      {q === "" ? (
        <Recent />
      ) : (
        <Suspense fallback={<Loading />}>
          <Results key={q} text={q} />
        </Suspense>
      )}
    </Stack>
  );
}

function Box({ initial }: { readonly initial: string }) {
  const say = useWords();
  const navigate = useNavigate();
  const { may } = useSession();
  const [text, setText] = useState(initial);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.select(), []);
  const find = (event: FormEvent) => {
    event.preventDefault();
    const q = text.trim();
    if (q !== "") void navigate({ to: "/", search: { q } });
  };
  return (
    <form role="search" onSubmit={find}>
      <Group align="flex-end" gap="sm" wrap="nowrap">
        <TextInput
          ref={input}
          flex={1}
          size="md"
          label={say("box")}
          description={say(may("points.audit") ? "takes" : "takesNoSearch")}
          inputWrapperOrder={["label", "input", "description"]}
          classNames={{ root: styles["box"]!, description: styles["takes"]! }}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          autoFocus
          autoComplete="off"
          autoCapitalize="none"
          autoCorrect="off"
          spellCheck={false}
          enterKeyHint="search"
          rightSectionWidth="auto"
          rightSection={
            <Button type="submit" mr={4} size="compact-md">
              {say("find")}
            </Button>
          }
        />
      </Group>
    </form>
  );
}

function Recent() {
  const say = useWords();
  const { ledger, name } = useSession();
  const finds = useRecentFinds(`${ledger.ledgerId} ${name}`);
  if (finds.length === 0) return null;
  return (
    <Section
      title={say("recent")}
      aside={
        <Button variant="default" size="compact-sm" onClick={forgetFinds}>
          {say("forget")}
        </Button>
      }
    >
      <ul className={styles["finds"]}>
        {finds.map((q) => (
          <li key={q}>
            <TextLink to="/" search={{ q }}>
              <Text span inherit className={styles["anywhere"]}>
                {q}
              </Text>
            </TextLink>
          </li>
        ))}
      </ul>
    </Section>
  );
}
