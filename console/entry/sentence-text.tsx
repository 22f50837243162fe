import { Text } from "@mantine/core";
import { PhraseText, useVoice } from "../parts/sentence/phrase-text.tsx";
import { sentenceOf } from "./sentence.ts";
import type { Subject } from "./subject.ts";

/** What an entry was and why, in one sentence. */
export function Sentence({ subject }: { readonly subject: Subject }) {
  const voice = useVoice();
  return (
    <Text size="lg" style={{ overflowWrap: "anywhere" }}>
      <PhraseText user={subject.entry.userId} phrase={sentenceOf(subject, voice)} />
    </Text>
  );
}
