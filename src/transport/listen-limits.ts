import type { Config } from "../config/environment.ts";

/** What bounds connections and requests, so that no client can take all of a server. */
export type ListenLimits = Config &
  typeof FIXED & {
    /** Requests of these paths are streams: `bodyMs` does not bound them. */
    readonly endlessPaths: ReadonlySet<string>;
  };

/** The configuration's limits, and those that no variable sets. */
export function listenLimits(
  config: Config,
  endlessPaths: ReadonlySet<string> = new Set(),
): ListenLimits {
  return { ...config, ...FIXED, endlessPaths };
}

const FIXED = {
  /** For a connection to show its protocol: by TLS, or by its first bytes. */
  firstByteMs: 10_000,
  /** For the head of an HTTP/1 request. */
  headersMs: 10_000,
  /** For a peer to close a connection that this side has finished. */
  lingerMs: 500,
};
