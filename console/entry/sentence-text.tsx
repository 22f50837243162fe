import { Text } from "@mantine/core";
import { PhraseText, useVoice } from "../parts/sentence/phrase-text.tsx";
import { sentenceOf } from "./sentence.ts";
import type { KnownEntry } from "./known-entry.ts";

/** What an entry was and why, in one sentence. */
export function Sentence({ known }: { readonly known: KnownEntry }) {
  const voice = useVoice();
  return (
    <Text size="lg" style={{ overflowWrap: "anywhere" }}>
      <PhraseText user={known.entry.userId} phrase={sentenceOf(known, voice)} />
    </Text>
  );
}
