import { Stack, Text, Title } from "@mantine/core";
import { TextLink } from "../parts/links.ts";
import { useTitle } from "../parts/title.ts";
import { useWords } from "./layout-words.ts";

/** In place of a screen, where the address names none, or not whose account it is to show. */
export function NoScreen({ isWithoutUser = false }: { readonly isWithoutUser?: boolean }) {
  const say = useWords();
  const title = say(isWithoutUser ? "noUser" : "noScreen");
  useTitle(title);
  return (
    <Stack gap="xs" role="alert">
      <Title order={1} size="h3">
        {title}
      </Title>
      <Text>{say("whereNext")}</Text>
      <TextLink to="/">{say("toFind")}</TextLink>
    </Stack>
  );
}
