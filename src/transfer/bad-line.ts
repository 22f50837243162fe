import type { Refusal } from "../client/refusal.ts";

/** Says why a line cannot be imported: its mistake, or the server's refusal. */
export class BadLine extends Error {
  readonly refusal: Refusal | undefined;

  constructor(message: string, refusal?: Refusal) {
    super(message);
    this.refusal = refusal;
  }
}

/** Says what a file seems to be of which no line can be read. */
export class UnreadableFile extends Error {}

/** Says why nothing can be imported at this server. */
export class StoppedImport extends Error {}

const SHOWN_MAX = 60;

/** A value of a line for a message, cut to 60 characters. */
export function show(value: unknown): string {
  const text =
    typeof value === "bigint"
      ? String(value)
      : JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}` : part));
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX - 1)}…` : text;
}
