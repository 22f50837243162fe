import { isLoopback } from "./address.ts";
import { DatabaseUrlError, parseDatabaseUrl } from "./database-url.ts";

/** The values that a variable takes. */
export type Kind<T> = {
  /** For the help and for errors. */
  readonly takes: string;
  /**
   * Returns undefined for a text that is wrong.
   *
   * @param environment of libpq's variables, which stand in for parts of DATABASE_URL
   * @throws {DatabaseUrlError} where the text may have a password in it: the error has none
   */
  readonly parse: (text: string, environment: NodeJS.ProcessEnv) => T | undefined;
};

/** Any text, or one that is valid. */
export function text(takes: string, isValid: (text: string) => boolean = () => true): Kind<string> {
  return { takes, parse: (value) => (isValid(value) ? value : undefined) };
}

/** One of some words. */
export function oneOf<const T extends string>(...words: readonly T[]): Kind<T> {
  const takes = `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
  return { takes, parse: (value) => words.find((word) => word === value) };
}

/** A whole number of a range, both ends included. */
export function wholeNumber(min: number, max: number): Kind<number> {
  const parse = (value: string) => {
    const number = /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? number : undefined;
  };
  return { takes: `${min} to ${max}`, parse };
}

/** "on" or "off". */
export function parseSwitch(value: string): boolean | undefined {
  return value === "on" ? true : value === "off" ? false : undefined;
}

/** "1" or "0". */
export function parseFlag(value: string): boolean | undefined {
  return value === "1" ? true : value === "0" ? false : undefined;
}

/** What the console shows of its environment. */
export type ConsoleLabel = { readonly colour: string; readonly word: string };

const COLOURS = new Set(["gray", "red", "orange", "yellow", "green", "teal", "blue", "violet"]);

/** A word, and a colour that may stand before it. */
export function parseLabel(value: string): ConsoleLabel | undefined {
  const [, colour = "gray", word] = /^(?:([a-z]+):)?([^\p{Cc}:]{1,32})$/u.exec(value) ?? [];
  return word !== undefined && COLOURS.has(colour) ? { colour, word } : undefined;
}

/** Keys of metadata, each once: 1 to 64 bytes without commas and control characters. */
export function parseKeys(value: string): readonly string[] | undefined {
  const keys = [...new Set(value.split(",").map((key) => key.trim()))];
  const isKey = (key: string) => /^[^\p{Cc}]+$/u.test(key) && Buffer.byteLength(key) <= 64;
  return keys.length <= SEARCH_MAX_KEYS && keys.every(isKey) ? keys : undefined;
}

const SEARCH_MAX_KEYS = 16;

/** A URL of a database, as it was given. */
export function parseUrl(value: string, environment: NodeJS.ProcessEnv): string {
  parseDatabaseUrl(value, environment);
  return value;
}

/** Of several hosts, one that takes writes is looked for, unless the URL says otherwise. */
export function parseReadsUrl(value: string, environment: NodeJS.ProcessEnv): string {
  const { sessionAttributes } = parseDatabaseUrl(value, environment);
  if (sessionAttributes === "read-write" || sessionAttributes === "primary") {
    throw new DatabaseUrlError("target_session_attrs takes standby or any here");
  }
  return value;
}

/** A file, or a URL that nobody on the way can answer for. */
export function isSafeKeysPlace(value: string): boolean {
  return !/^[a-z]+:\/\//i.test(value) || isSafeUrl(value);
}

/** Rejects plain http but to this machine: somebody on the way could replace what is there. */
export function isSafeUrl(value: string): boolean {
  const url = URL.parse(value);
  const isLocal = url !== null && isLoopback(url.hostname.replace(/^\[(.*)\]$/, "$1"));
  return url?.protocol === "https:" || (url?.protocol === "http:" && isLocal);
}

/** A URL of HTTP, with TLS or without. */
export function isHttpUrl(value: string): boolean {
  return /^https?:/.test(value) && URL.canParse(value);
}
