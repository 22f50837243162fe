import i18next from "i18next";
import { initReactI18next, useTranslation } from "react-i18next";
import { remember, remembered } from "./browser-store.ts";
import { isolated } from "./isolated.ts";

/** The languages of the console, by their names of BCP 47. */
export const LANGUAGES = { en: "English", "zh-Hans": "简体中文" } as const;
export type Language = keyof typeof LANGUAGES;

const REMEMBERED = "points-language";

// At once: each screen adds its words when its file is loaded.
void i18next.use(initReactI18next).init({
  lng: preferredLanguage(),
  fallbackLng: "en",
  resources: {},
  initAsync: false,
  // A key is one word, whatever is in it.
  keySeparator: false,
  nsSeparator: false,
  // React escapes.
  interpolation: { escapeValue: false },
});
document.documentElement.lang = i18next.language;

/**
 * The words of a screen in both languages, beside each other. Chinese has no plural: a key that ends
 * in _one has none there.
 *
 * @param name of the screen, once in the console
 * @returns a hook that gives the words in the language of the page
 */
export function wordsOf<const Key extends string>(
  name: string,
  { en, zh }: { readonly en: Words<Key>; readonly zh: Words<Exclude<Key, `${string}_one`>> },
): () => Say<Key> {
  i18next.addResourceBundle("en", name, en);
  i18next.addResourceBundle("zh-Hans", name, zh);
  return () => {
    const { t } = useTranslation(name);
    return (key, values = {}) => t(key as string, apart(values) as Record<string, string>);
  };
}

function apart(values: Values): Values {
  const entries = Object.entries(values);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === "string" ? isolated(value) : value]),
  );
}

type Values = Readonly<Record<string, string | number>>;
type Words<Key extends string> = Readonly<Record<Key, string>>;

/** A text by its key; `count` chooses between key_one and key_other. */
export type Say<Key extends string> = (
  key: Key extends `${infer Stem}_${"one" | "other"}` ? Stem : Key,
  values?: Values,
) => string;

/** The language of the page, and how to choose another one, which the browser remembers. */
export function useLanguage(): { language: Language; choose: (language: Language) => void } {
  const { i18n } = useTranslation();
  const choose = (language: Language) => {
    remember("localStorage", REMEMBERED, language);
    document.documentElement.lang = language;
    void i18n.changeLanguage(language);
  };
  return { language: i18n.language as Language, choose };
}

function preferredLanguage(): Language {
  const chosen = remembered("localStorage", REMEMBERED);
  if (chosen !== null && chosen in LANGUAGES) return chosen as Language;
  const spoken = navigator.languages.find((tag) => /^(?:en|zh)\b/i.test(tag)) ?? "en";
  return /^zh/i.test(spoken) ? "zh-Hans" : "en";
}
