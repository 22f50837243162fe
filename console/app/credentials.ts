import { useSyncExternalStore } from "react";

/** What the page signs in with, and for whom. */
export type Credentials = {
  /** A bearer token. Undefined: none; a server without authentication takes that. */
  readonly token: string | undefined;
  /** Who sits here, as they said or as the issuer says: the `actor` of what they do. */
  readonly person?: string | undefined;
  /** How the issuer gives another token; absent: somebody must sign in again. */
  readonly renewal?: Renewal | undefined;
  /** The server does not take it any more, or never did: it has expired, or was withdrawn. */
  readonly isRefused: boolean;
};

export type Renewal = {
  /** From when on the token is to be replaced, in milliseconds since 1970. */
  readonly dueMs: number;
  /** Rejects if the issuer gives none. */
  readonly renew: () => Promise<{ readonly token: string; readonly renewal: Renewal | undefined }>;
};

// The token is here alone: no cookie, no storage. A reload of the page forgets it.
let current: Credentials = { token: undefined, isRefused: false };
const listeners = new Set<() => void>();
let renewing: Promise<void> | undefined;

export function credentials(): Credentials {
  return current;
}

/** @param token undefined: signs out */
export function signInWith(
  token: string | undefined,
  whose: Pick<Credentials, "person" | "renewal"> = {},
): void {
  change({ ...whose, token, isRefused: false });
}

/** The token for a call, which is another one if the issuer gives one in time. */
export async function tokenForCall(): Promise<string | undefined> {
  const { renewal } = current;
  if (renewal !== undefined && renewal.dueMs <= Date.now()) await renewBy(renewal);
  return current.token;
}

/**
 * The server has refused a token, or ended a stream that was opened with it. One that was replaced since
 * says nothing of the new one.
 */
export function tokenRefused(token: string | undefined): void {
  const { renewal } = current;
  if (current.token !== token || current.isRefused) return;
  if (renewal === undefined) return change({ ...current, isRefused: true });
  void renewBy(renewal).then(() => tokenRefused(token));
}

export function useCredentials(): Credentials {
  return useSyncExternalStore(subscribe, credentials);
}

/**
 * Renews once, however many calls wait for it. Whoever signs out meanwhile stays out. If there is no
 * other token, the server will refuse the old one.
 */
function renewBy(renewal: Renewal): Promise<void> {
  renewing ??= renewOnce(renewal).finally(() => (renewing = undefined));
  return renewing;
}

async function renewOnce(renewal: Renewal): Promise<void> {
  const renewed = await renewal.renew().catch(() => ({ renewal: undefined }));
  if (current.renewal === renewal) change({ ...current, ...renewed });
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function change(next: Credentials): void {
  current = next;
  for (const listener of listeners) listener();
}
