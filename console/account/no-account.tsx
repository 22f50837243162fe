import { Alert, Text, Title } from "@mantine/core";
import { TextLink } from "../parts/links.ts";
import styles from "./account.module.css";
import { useWords } from "./words.ts";

/** Says that there is no such account, and where to look for another. */
export function NoAccount({ user }: { readonly user: string }) {
  const say = useWords();
  return (
    <Alert color="gray" variant="outline" role="alert">
      <Title order={1} size="h3" mb="xs" className={styles["text"]}>
        {user === "" ? say("noUser") : say("noAccount", { user })}
      </Title>
      {user !== "" && <Text mb="xs">{say("noAccountHint")}</Text>}
      <TextLink to="/" search={{ q: user }}>
        {say("find")}
      </TextLink>
    </Alert>
  );
}
