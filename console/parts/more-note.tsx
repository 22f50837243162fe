import { Button, Group, Text } from "@mantine/core";
import { wordsOf } from "../app/words.ts";
import type { More } from "./more-entries.ts";
import { RefusalNote } from "./refusal-note.tsx";

const useWords = wordsOf("more-entries", {
  en: {
    nothing: "Nothing more in what was looked through so far.",
    further: "Look further",
  },
  zh: { nothing: "目前已查找的部分中没有更多内容。", further: "继续查找" },
});

/** Why no more was read, and a button that goes on; nothing if it goes on by itself. */
export function MoreNote({ more }: { readonly more: More }) {
  const say = useWords();
  if (!more.hasMore || !more.mustAsk) return null;
  if (more.error !== null) return <RefusalNote error={more.error} onRetry={more.onMore} />;
  return (
    <Group gap="sm">
      <Text size="sm" role="status">
        {say("nothing")}
      </Text>
      <Button variant="default" size="xs" loading={more.isLoading} onClick={more.onMore}>
        {say("further")}
      </Button>
    </Group>
  );
}
