import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";

const LOOKS = 20;
const LOOK_MAX_MS = 1_000;

/** Looks after the requests of sessions of HTTP/2. */
export type SlowBodies = {
  /** Takes a session in, until it is closed; its streams are told of when they open and close. */
  watch(session: ServerHttp2Session): BodiesOfSession;
  stop(): void;
};

export type BodiesOfSession = {
  opened(stream: ServerHttp2Stream, path: string): void;
  closed(stream: ServerHttp2Stream): void;
};

/**
 * Ends requests whose bodies are not there after so long: with 408, as HTTP/1 has it, or cut off if
 * the answer had begun. Node has no such limit: its time without traffic starts anew with each byte.
 * Streams whose answers came before the end of their bodies are closed: nobody reads the rest.
 *
 * @param isEndless whether requests of a path may take as long as they like
 */
export function watchBodies(bodyMs: number, isEndless: (path: string) => boolean): SlowBodies {
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
          arriving.set(stream, isEndless(path) ? Number.POSITIVE_INFINITY : performance.now());
        },
        closed: (stream) => void arriving.delete(stream),
      };
    },
    stop: () => clearInterval(timer),
  };
}

/** Whether all of the answer is on its way: a close would keep back trailers that are not. */
function isAnswered(stream: ServerHttp2Stream): boolean {
  return stream.writableFinished && stream.state.localClose === 1;
}

function end(stream: ServerHttp2Stream): void {
  if (stream.closed || stream.destroyed) return;
  if (!stream.headersSent) stream.respond({ ":status": 408 }, { endStream: true });
  stream.close();
}
