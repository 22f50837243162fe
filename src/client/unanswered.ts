import { Code, type ConnectError } from "@connectrpc/connect";

/**
 * Whether a call failed in transport, without an answer of a server: no server was reachable, or the
 * connection or the stream broke. Errors that a server sends have details. A call that its own
 * signal aborted looks the same; check the signal first.
 */
export function isUnanswered({ code, cause, details, rawMessage }: ConnectError): boolean {
  if (details.length > 0) return false;
  if (code === Code.Unavailable || code === Code.Aborted) return true;
  // A closed connection, such as that of a killed server, cancels its streams. Closing a session
  // manager on this side does so too, with this message.
  if (code === Code.Canceled) return rawMessage !== "connection aborted";
  for (let at = cause; at instanceof Error; at = at.cause) {
    // fetch reports a broken connection as a TypeError, and nothing else.
    if (at instanceof TypeError) return true;
    if ("code" in at && CONNECTION_LOST.test(String(at.code))) return true;
  }
  return false;
}

// Node's codes for a reset or refused stream, for a session that GOAWAY ended, and for system errors
// such as EHOSTUNREACH. Connect maps all of them to INTERNAL.
const CONNECTION_LOST =
  /^(ERR_HTTP2_(STREAM_ERROR|STREAM_CANCEL|SESSION_ERROR|GOAWAY_SESSION|INVALID_SESSION|ERROR)|E[A-Z]+)$/;
