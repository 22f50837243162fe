import { createHmac } from "node:crypto";
import { UserError } from "../errors/user-error.ts";

// Standard Webhooks 1.0.0: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

/** What is signed. */
export type Signed = {
  /** It may not contain a full stop: a receiver could not tell where it ends. */
  readonly id: string;
  /** When this attempt was made, in whole seconds since 1970. */
  readonly timestamp: number;
  readonly body: string;
};

/**
 * The three headers of a Standard Webhook, with one signature by each secret. A receiver takes the
 * request if one of them is right, so that a secret can be replaced without a gap.
 */
export function webhookHeaders(
  { id, timestamp, body }: Signed,
  secrets: readonly Uint8Array[],
): Record<string, string> {
  const content = `${id}.${timestamp}.${body}`;
  const signatures = secrets.map((secret) => {
    return `v1,${createHmac("sha256", secret).update(content).digest("base64")}`;
  });
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": signatures.join(" "),
  };
}

/**
 * Reads secrets that are separated by spaces: "whsec_" and the base64 of 24 to 64 bytes each.
 *
 * @param name of where they come from, for the error
 * @throws {UserError} if one is malformed, or there is none. It does not repeat the secret
 */
export function readSecrets(text: string, name: string): readonly Uint8Array[] {
  const words = text.split(" ").filter((word) => word !== "");
  if (words.length === 0) throw new UserError(`${name} is missing: ${FORM}`);
  return words.map((word, index) => {
    const secret = secretIn(word);
    if (secret === undefined) throw new UserError(`secret ${index + 1} of ${name} is not ${FORM}`);
    return secret;
  });
}

const FORM =
  'whsec_ and 24 to 64 random bytes in base64, as of: echo "whsec_$(openssl rand -base64 32)"';

function secretIn(word: string): Uint8Array | undefined {
  const [, base64] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(word) ?? [];
  if (base64 === undefined) return undefined;
  const secret = Buffer.from(base64, "base64");
  return secret.length >= 24 && secret.length <= 64 ? secret : undefined;
}
