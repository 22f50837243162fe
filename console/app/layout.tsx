import {
  ActionIcon,
  Badge,
  Button,
  Group,
  Popover,
  Stack,
  Text,
  useMantineColorScheme,
} from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Outlet } from "@tanstack/react-router";
import { TextLink } from "../parts/links.ts";
import { credentials, signInWith } from "./credentials.ts";
import styles from "./layout.module.css";
import { useWords } from "./layout-words.ts";
import { SignedIn, useSession } from "./session.tsx";
import { usePageSettings } from "./settings.ts";
import { type Language, LANGUAGES, useLanguage } from "./words.ts";

/** The frame of each screen: what environment this is, who I am, and where to go. */
export function Layout() {
  return (
    <SignedIn>
      <Header />
      <main className={styles["main"]}>
        <Outlet />
      </main>
    </SignedIn>
  );
}

function Header() {
  const say = useWords();
  const { may } = useSession();
  const { label } = usePageSettings();
  return (
    <header className={styles["header"]}>
      <Group gap="md">
        <Text fw={700}>Points</Text>
        {label && (
          <Badge color={label.colour} variant="light" tt="none">
            {label.word}
          </Badge>
        )}
        <nav aria-label={say("screens")}>
          <Group gap="md">
            <TextLink to="/">{say("find")}</TextLink>
            {may("points.audit") && <TextLink to="/overview">{say("overview")}</TextLink>}
          </Group>
        </nav>
      </Group>
      <Group gap="xs">
        <WhoAmI />
        <Preferences />
      </Group>
    </header>
  );
}

function WhoAmI() {
  const say = useWords();
  const queries = useQueryClient();
  const { ledger, name } = useSession();
  const { caller } = ledger;
  const signOut = () => {
    signInWith(undefined);
    void queries.resetQueries();
  };
  return (
    <Popover withArrow>
      <Popover.Target>
        <Button variant="default" size="xs">
          {name || say("nobody")} · {say("epoch", { epoch: String(ledger.epoch) })}
        </Button>
      </Popover.Target>
      <Popover.Dropdown maw="20rem">
        <Stack gap="xs">
          {!name && <Text size="sm">{say("open")}</Text>}
          <Text size="sm">{say("may", { scopes: caller?.scopes.join(", ") ?? "" })}</Text>
          {caller?.userIdPrefix && (
            <Text size="sm">{say("prefix", { prefix: caller.userIdPrefix })}</Text>
          )}
          <Text size="sm">{say("ledger", { id: ledger.ledgerId })}</Text>
          <Text size="sm">{say("software", { version: ledger.softwareVersion })}</Text>
          {credentials().token !== undefined && (
            <Button variant="default" size="xs" onClick={signOut}>
              {say("signOut")}
            </Button>
          )}
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}

function Preferences() {
  const say = useWords();
  const { language, choose } = useLanguage();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const other: Language = language === "en" ? "zh-Hans" : "en";
  return (
    <>
      <Button variant="default" size="xs" lang={other} onClick={() => choose(other)}>
        {LANGUAGES[other]}
      </Button>
      <ActionIcon
        variant="default"
        aria-label={say("scheme")}
        onClick={() => setColorScheme(colorScheme === "dark" ? "light" : "dark")}
      >
        ◐
      </ActionIcon>
    </>
  );
}
