/** Why an operation is refused, as ErrorInfo says it. */
export type Refused = {
  readonly refused: string;
  /** Undefined where the contract does not say what is in it. */
  readonly metadata: Readonly<Record<string, string>> | undefined;
};

/** A field is not as it has to be. */
export const INVALID: Refused = { refused: "FIELD_INVALID", metadata: undefined };

/** A refusal, with what its metadata says. */
export function refused(
  reason: string,
  facts: Readonly<Record<string, bigint | number | string>>,
): Refused {
  const metadata = Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, String(value)]),
  );
  return { refused: reason, metadata };
}
