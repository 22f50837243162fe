import type { Attempt } from "./attempts.ts";
import type { CloudEvent } from "./cloud-event.ts";
import { webhookHeaders } from "./standard-webhook.ts";
import { verdictOn } from "./verdict.ts";

/** Standard Webhooks: "somewhere between 15 and 30s". */
const TIMEOUT_MS = 15_000;

/** So much of an answer's body is read: the connection can be used again only behind its end. */
const BODY_MAX_BYTES = 65_536;

/**
 * Makes attempts to send an event to a URL as a Standard Webhook, whose body is the event in
 * CloudEvents' structured mode.
 *
 * @param secrets that sign it
 */
export function webhookTo(
  url: string,
  secrets: readonly Uint8Array[],
  timeoutMs: number = TIMEOUT_MS,
): (event: CloudEvent) => Promise<Attempt> {
  return async (event) => {
    const body = JSON.stringify(event);
    const timestamp = Math.floor(Date.now() / 1_000);
    const headers = {
      "content-type": "application/cloudevents+json; charset=utf-8",
      "user-agent": "points-feed",
      ...webhookHeaders({ id: event.id, timestamp, body }, secrets),
    };
    const signal = AbortSignal.timeout(timeoutMs);
    let response: Response;
    try {
      response = await fetch(url, { method: "POST", body, headers, redirect: "manual", signal });
    } catch (error) {
      return { kind: "failed", askedMs: 0, reason: reasonOf(error, timeoutMs) };
    }
    // The status says it all, also if the rest never comes.
    await drain(response).catch(() => {});
    const verdict = verdictOn(response.status, response.headers.get("retry-after"), Date.now());
    return { ...verdict, reason: `HTTP ${response.status}` };
  };
}

/** Why fetch failed: its own message is always "fetch failed". */
function reasonOf(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) throw error;
  if (error.name === "TimeoutError") return `no answer in ${timeoutMs} ms`;
  const { cause = error } = error;
  const code = (cause as NodeJS.ErrnoException).code ?? "";
  return [code, (cause as Error).message].filter((text) => text !== "").join(": ");
}

async function drain({ body }: Response): Promise<void> {
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > BODY_MAX_BYTES) break;
  }
}
