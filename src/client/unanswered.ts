import { Code, type ConnectError } from "@connectrpc/connect";

/**
 * Whether a call ended without an answer of a server: none was there, or the connection or the
 * stream broke. A server's own errors come with details. A call whose signal was aborted looks the
 * same: ask the signal.
 */
export function isUnanswered({ code, cause, details, rawMessage }: ConnectError): boolean {
  if (details.length > 0) return false;
  if (code === Code.Unavailable || code === Code.Aborted) return true;
  // A connection that is closed, as that of a server that was killed, cancels its streams; and so
  // does who closes all of a session manager's on this side.
  if (code === Code.Canceled) return rawMessage !== "connection aborted";
  for (let at = cause; at instanceof Error; at = at.cause) {
    // Which is all that fetch tells.
    if (at instanceof TypeError) return true;
    if ("code" in at && LOST.test(String(at.code))) return true;
  }
  return false;
}

// Node's names for a stream that was reset or refused, a session that was ended by GOAWAY, and the
// system's errors, such as EHOSTUNREACH. Connect calls all of them INTERNAL.
const LOST =
  /^(ERR_HTTP2_(STREAM_ERROR|STREAM_CANCEL|SESSION_ERROR|GOAWAY_SESSION|INVALID_SESSION|ERROR)|E[A-Z]+)$/;
