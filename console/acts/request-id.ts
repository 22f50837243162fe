import { hexOf } from "../parts/hex.ts";

/** A request id that nobody else makes: one for all that a form sends. */
export function newRequestId(): string {
  return `console-${hexOf(crypto.getRandomValues(new Uint8Array(16)))}`;
}
