import { seenText } from "../parts/seen-text.ts";

/** The longest `actor` that the API takes. */
export const PERSON_MAX_CHARS = 128;

/**
 * Who has signed in, by the claims of an ID token: what others know them by, as an `actor` may be.
 * Undefined: the claims name nobody.
 */
export function personOf(claims: Readonly<Record<string, unknown>>): string | undefined {
  const names = [claims["email"], claims["preferred_username"], claims["name"]];
  return names.flatMap((one) => (typeof one === "string" ? (asActor(one) ?? []) : []))[0];
}

/**
 * A name as an `actor` may be: without control characters, and not too long. Undefined: nothing of it
 * can be seen.
 */
export function asActor(name: string): string | undefined {
  const clean = seenText(name.replaceAll(/\p{Cc}+/gu, " "));
  return Array.from(clean).slice(0, PERSON_MAX_CHARS).join("") || undefined;
}
