import { useSyncExternalStore } from "react";

/** What the page signs in with. */
export type Credentials = {
  /** A bearer token. Undefined: none; a server without authentication takes that. */
  readonly token: string | undefined;
  /** The server does not take it any more, or never did: it has expired, or was withdrawn. */
  readonly isRefused: boolean;
};

// The token is here alone: no cookie, no storage. A reload of the page forgets it.
let current: Credentials = { token: undefined, isRefused: false };
const listeners = new Set<() => void>();

export function credentials(): Credentials {
  return current;
}

/** @param token undefined: signs out */
export function signInWith(token: string | undefined): void {
  change({ token, isRefused: false });
}

/** The server has refused a token. One that was replaced since says nothing of the new one. */
export function tokenRefused(token: string | undefined): void {
  if (current.token === token && !current.isRefused) change({ token, isRefused: true });
}

export function useCredentials(): Credentials {
  return useSyncExternalStore(subscribe, credentials);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function change(next: Credentials): void {
  current = next;
  for (const listener of listeners) listener();
}
