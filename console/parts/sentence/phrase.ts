/** A piece of a sentence: text, or an entry, which is shown as a link. */
export type Part = string | { readonly entry: bigint };
export type Phrase = readonly Part[];

/**
 * Puts phrases into a template such as "{{points}} for {{service}}". What is put in is never read as a
 * template itself.
 */
export function fill(template: string, values: Readonly<Record<string, Phrase | string>>): Phrase {
  const pieces = template.split(/\{\{(\w+)\}\}/);
  return pieces.flatMap((piece, at): Phrase => {
    if (at % 2 === 0) return piece === "" ? [] : [piece];
    const value = values[piece] ?? "";
    return typeof value === "string" ? [value] : value;
  });
}

/** Phrases in a row, without those that are empty. */
export function join(phrases: readonly Phrase[], separator: string): Phrase {
  const said = phrases.filter((phrase) => phrase.length > 0);
  return said.flatMap((phrase, at) => (at === 0 ? phrase : [separator, ...phrase]));
}

/** The text of a phrase, for where there are no links. */
export function plain(phrase: Phrase): string {
  return phrase.map((part) => (typeof part === "string" ? part : `#${part.entry}`)).join("");
}
