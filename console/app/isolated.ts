/**
 * A text of somebody else's, as it is put among other words: it stands by itself, so that its direction
 * turns none of the words and figures after it (bidirectional text). Elements do that by theme.css.
 */
export function isolated(text: string): string {
  if (!TURNS.test(text)) return text;
  let [inside, open] = ["", 0];
  for (const sign of text) {
    // Only they reach beyond an isolate, at the end of which there is none that they could end.
    if (OVERRIDES.test(sign) || (sign === POP && open === 0)) continue;
    if (sign === POP) open -= 1;
    if (ISOLATES.test(sign)) open += 1;
    inside += sign;
  }
  return `\u2068${inside}${POP.repeat(open + 1)}`;
}

const POP = "\u2069";
const ISOLATES = /[\u2066-\u2068]/;
/**
 * Embeddings and overrides, which nobody needs, and what ends a paragraph with all isolates in it. The
 * contract takes no control characters, some of which do that too.
 */
const OVERRIDES = /[\u202a-\u202e\u2029]/;
/** Whatever is written from right to left, and the signs that turn. All else turns nothing. */
const TURNS =
  /[\u0590-\u08ff\u200f\u2029-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
