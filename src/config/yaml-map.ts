/** A value of parsed YAML or JSON as a map. It is an empty map for a value of another type. */
export function asMap(value: unknown): Readonly<Record<string, unknown>> {
  const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
  return isMap ? (value as Record<string, unknown>) : {};
}
