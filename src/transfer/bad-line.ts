import type { Refusal } from "../client/refusal.ts";

/** What is wrong with a line, or what the server refused it with. */
export class BadLine extends Error {
  readonly refusal: Refusal | undefined;

  constructor(message: string, refusal?: Refusal) {
    super(message);
    this.refusal = refusal;
  }
}

/** A file of which no line can be understood: a sentence that says what it seems to be. */
export class UnreadableFile extends Error {}

const SHOWN_MAX = 60;

/** A value of a line as a message shows it, in 60 characters or so. */
export function show(value: unknown): string {
  const text =
    typeof value === "bigint"
      ? String(value)
      : JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}` : part));
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX - 1)}…` : text;
}
