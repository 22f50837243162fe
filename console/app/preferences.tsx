import { ActionIcon, Button, Group, useMantineColorScheme } from "@mantine/core";
import { useWords } from "./layout-words.ts";
import { type Language, LANGUAGES, useLanguage } from "./words.ts";

/** The language, and light or dark: the browser remembers both. */
export function Preferences() {
  const say = useWords();
  const { language, choose } = useLanguage();
  const { colorScheme, setColorScheme } = useMantineColorScheme({
    // Else it writes a style into the page, which the page's policy refuses.
    keepTransitions: true,
  });
  const other: Language = language === "en" ? "zh-Hans" : "en";
  return (
    <Group gap="xs" wrap="nowrap">
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
    </Group>
  );
}
