import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Text } from "@mantine/core";
import { useFormats } from "../app/formats.ts";
import { wordsOf } from "../app/words.ts";

const useWords = wordsOf("caught-up", {
  en: {
    upTo: "From the index as of {{time}}: all that was committed before is in it.",
    building: "The index is still being built, and lacks most. Look again in some minutes.",
  },
  zh: {
    upTo: "数据截至 {{time}}。",
    building: "索引仍在建立中，大部分内容尚未收录。请过几分钟再查看。",
  },
});

/** How far the index and the sums were that an answer is from. */
export function CaughtUp({ upTo }: { readonly upTo: Timestamp | undefined }) {
  const say = useWords();
  const { instant } = useFormats();
  return (
    <Text size="sm" c="dimmed" mt="xs" title={upTo && timestampDate(upTo).toISOString()}>
      {upTo === undefined ? say("building") : say("upTo", { time: instant(upTo) })}
    </Text>
  );
}
