import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";

const LOOKS = 20;
const LOOK_MAX_MS = 1_000;

/** The slow-request guard of all HTTP/2 sessions of a server. */
export type SlowRequestGuard = {
  /** Watches a session until it closes; the session reports its streams. */
  watch(session: ServerHttp2Session): SessionGuard;
  stop(): void;
};

export type SessionGuard = {
  opened(stream: ServerHttp2Stream, path: string): void;
  closed(stream: ServerHttp2Stream): void;
};

/**
 * Slow-request guard (against slowloris): ends requests of HTTP/2 whose bodies are not complete
 * after `bodyMs`, with 408, as HTTP/1 does, or by a close if the answer has begun. Node has no such
 * limit: its timeout starts anew with each byte. The guard also closes streams whose answers are
 * out before the end of their bodies: nobody reads the rest.
 *
 * @param endlessPaths requests of these paths may take as long as they like
 */
export function guardSlowRequests(
  bodyMs: number,
  endlessPaths: ReadonlySet<string>,
): SlowRequestGuard {
  const sessions = new Set<Map<ServerHttp2Stream, number>>();

  function look(): void {
    const late = performance.now() - bodyMs;
    for (const arriving of sessions) {
      for (const [stream, sinceMs] of arriving) {
        if (stream.readableEnded) arriving.delete(stream);
        else if (sinceMs <= late) end(stream);
        else if (isAnswered(stream)) stream.close();
      }
    }
  }

  const timer = setInterval(look, Math.min(LOOK_MAX_MS, bodyMs / LOOKS));
  timer.unref();
  return {
    watch(session) {
      const arriving = new Map<ServerHttp2Stream, number>();
      sessions.add(arriving);
      session.once("close", () => sessions.delete(arriving));
      return {
        opened(stream, path) {
          const isEndless = endlessPaths.has(path);
          arriving.set(stream, isEndless ? Number.POSITIVE_INFINITY : performance.now());
        },
        closed: (stream) => void arriving.delete(stream),
      };
    },
    stop: () => clearInterval(timer),
  };
}

/** Whether the whole answer is on its way: a close would hold back trailers that are not. */
function isAnswered(stream: ServerHttp2Stream): boolean {
  return stream.writableFinished && stream.state.localClose === 1;
}

function end(stream: ServerHttp2Stream): void {
  if (stream.closed || stream.destroyed) return;
  if (!stream.headersSent) stream.respond({ ":status": 408 }, { endStream: true });
  stream.close();
}
