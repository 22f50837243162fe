/** The options of all commands that change an account. */
export const REQUEST_OPTIONS = {
  "request-id": { type: "string", default: "" },
  actor: { type: "string", default: "" },
  "validate-only": { type: "boolean", default: false },
} as const;

/** The fields of a request that these options set. */
export function requestOf(values: {
  readonly "request-id": string;
  readonly actor: string;
  readonly "validate-only": boolean;
}) {
  const { "request-id": requestId, actor, "validate-only": validateOnly } = values;
  return { requestId, actor, validateOnly };
}
