import { Group, Title } from "@mantine/core";
import { wordsOf } from "../app/words.ts";
import { TextLink } from "./links.ts";
import styles from "./account-tabs.module.css";

const useWords = wordsOf("account-tabs", {
  en: {
    screens: "Screens of the account",
    account: "Account",
    statement: "Statement",
    movements: "Where did they go?",
  },
  zh: { screens: "账户页面", account: "账户", statement: "流水", movements: "积分去向" },
});

/** The heading of each screen of one account, and the way to the others. */
export function AccountTabs({ user }: { readonly user: string }) {
  const say = useWords();
  const tab = (to: "/account" | "/statement" | "/movements", text: string) => (
    <TextLink
      to={to}
      search={{ user }}
      activeOptions={{ includeSearch: false }}
      className={styles["tab"]}
    >
      {text}
    </TextLink>
  );
  return (
    <Group justify="space-between" mb="md">
      <Title order={1} size="h2" className={styles["user"]}>
        {user}
      </Title>
      <nav aria-label={say("screens")}>
        <Group gap="md">
          {tab("/account", say("account"))}
          {tab("/statement", say("statement"))}
          {tab("/movements", say("movements"))}
        </Group>
      </nav>
    </Group>
  );
}
