/** A request id that nobody else makes: one for all that a form sends. */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  return `console-${digits.join("")}`;
}
