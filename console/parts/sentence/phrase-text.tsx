import { useFormats } from "../../app/formats.ts";
import { useLanguage } from "../../app/words.ts";
import { EntryLink } from "../entry-link.tsx";
import type { Phrase } from "./phrase.ts";
import { SENTENCE_WORDS } from "./sentence-words.ts";
import type { Voice } from "./voice.ts";

/** A phrase with its links. */
export function PhraseText({ user, phrase }: { readonly user: string; readonly phrase: Phrase }) {
  return phrase.map((part, at) =>
    typeof part === "string" ? (
      part
    ) : (
      <EntryLink key={at} user={user} sequence={part.entry} isInText />
    ),
  );
}

/** How sentences are said in the language of the page. */
export function useVoice(): Voice {
  const { language } = useLanguage();
  const formats = useFormats();
  return { words: SENTENCE_WORDS[language], formats };
}
