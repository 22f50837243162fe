/** A refusal, as ErrorInfo shows it. */
export type Refused = {
  readonly refused: string;
  /** Undefined where the contract does not fix it. */
  readonly metadata: Readonly<Record<string, string>> | undefined;
};

/** A field is invalid. */
export const INVALID: Refused = { refused: "FIELD_INVALID", metadata: undefined };

/** A refusal with its metadata. */
export function refused(
  reason: string,
  facts: Readonly<Record<string, bigint | number | string>>,
): Refused {
  const metadata = Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, String(value)]),
  );
  return { refused: reason, metadata };
}
