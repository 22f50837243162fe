/**
 * The token in a text that somebody pasted, without the blanks, line ends and signs of no width around
 * it. Undefined: it is none, for an HTTP header could not carry it.
 */
export function tokenIn(text: string): string | undefined {
  const token = text.replaceAll(AROUND, "");
  return /^[\x21-\x7e]+$/.test(token) ? token : undefined;
}

const AROUND = /^[\s\p{Cf}]+|[\s\p{Cf}]+$/gu;
