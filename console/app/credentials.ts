import { useSyncExternalStore } from "react";

/** What the page signs in with, and for whom. */
export type Credentials = {
  /** A bearer token. Undefined: none; a server without authentication takes that. */
  readonly token: string | undefined;
  /** Who sits here, as they said or as the issuer says: the `actor` of what they do. */
  readonly person?: string | undefined;
  /** How the issuer gives another token; absent: somebody must sign in again. */
  readonly renewal?: Renewal | undefined;
  /** The server does not take it any more, or never did; or somebody wants to give another one. */
  readonly isRefused: boolean;
  /** The server has never taken it: it is no token of this server. */
  readonly isWrong?: boolean;
};

export type Renewal = {
  /** From when on the token is to be replaced, in milliseconds since 1970. */
  readonly dueMs: number;
  /** Resolves to undefined if the issuer gives none, and rejects if it could not be asked. */
  readonly renew: () => Promise<
    { readonly token: string; readonly renewal: Renewal | undefined } | undefined
  >;
};

/** After that, an issuer that could not be asked is asked again. */
const RENEW_AGAIN_MS = 5_000;

// The token is here alone: no cookie, no storage. A reload of the page forgets it.
let current: Credentials = { token: undefined, isRefused: false };
const listeners = new Set<() => void>();
let renewing: Promise<Renewed> | undefined;
// A token that came in place of a refused one, until the server takes it.
let unproven: string | undefined;
// The last token that the server took.
let taken: string | undefined;

/** "over": somebody has signed in or out meanwhile. */
type Renewed = "answered" | "away" | "over";

export function credentials(): Credentials {
  return current;
}

/** @param token undefined: signs out */
export function signInWith(
  token: string | undefined,
  whose: Pick<Credentials, "person" | "renewal"> = {},
): void {
  unproven = undefined;
  change({ ...whose, token, isRefused: false });
}

/** The token for a call, which is another one if the issuer gives one in time. */
export async function tokenForCall(): Promise<string | undefined> {
  const { renewal } = current;
  if (renewal !== undefined && renewal.dueMs <= Date.now()) await renewBy(renewal);
  return current.token;
}

/** The server has answered a call with this token. */
export function tokenTaken(token: string | undefined): void {
  taken = token;
  if (unproven === token) unproven = undefined;
}

/**
 * The server has refused a token, or ended a stream that was opened with it. One that was replaced since
 * says nothing of the new one. If the server refuses what came in its place as well, or that is the same
 * token, then the issuer's tokens are of no use: asking for more would never end.
 */
export function tokenRefused(token: string | undefined): void {
  const { renewal } = current;
  if (current.token !== token || current.isRefused) return;
  if (renewal === undefined || token === unproven) return refuse(undefined);
  void replaceRefused(token, renewal);
}

async function replaceRefused(token: string | undefined, renewal: Renewal): Promise<void> {
  const renewed = await renewBy(renewal);
  if (renewed === "over") return;
  if (current.token !== token) unproven = current.token;
  else refuse(renewed === "away" ? current.renewal : undefined);
}

/** Asks for another token, over a page that stays as it is. */
export function askForAnotherToken(): void {
  change({ ...current, isRefused: true });
}

function refuse(renewal: Renewal | undefined): void {
  change({ ...current, renewal, isRefused: true, isWrong: current.token !== taken });
}

export function useCredentials(): Credentials {
  return useSyncExternalStore(subscribe, credentials);
}

/**
 * Renews once, however many calls wait for it. Whoever signs out meanwhile stays out. If there is no
 * other token, the server will refuse the old one.
 */
function renewBy(renewal: Renewal): Promise<Renewed> {
  renewing ??= renewOnce(renewal).finally(() => (renewing = undefined));
  return renewing;
}

async function renewOnce(renewal: Renewal): Promise<Renewed> {
  const renewed = await renewal.renew().catch(() => "away" as const);
  if (current.renewal !== renewal) return "over";
  if (renewed === "away") {
    // The network may be lost for a second: what renews is good for days.
    change({ ...current, renewal: { ...renewal, dueMs: Date.now() + RENEW_AGAIN_MS } });
    return "away";
  }
  change({ ...current, ...(renewed ? { ...renewed, isRefused: false } : { renewal: undefined }) });
  return "answered";
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function change(next: Credentials): void {
  current = next;
  for (const listener of listeners) listener();
}
