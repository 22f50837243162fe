/** The fields of a map, as parsed YAML or JSON has it; of anything else none. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
  return isMap ? (value as Record<string, unknown>) : {};
}
