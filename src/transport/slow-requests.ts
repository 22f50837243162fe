import type { ServerHttp2Stream } from "node:http2";

const LOOKS = 20;
const LOOK_MAX_MS = 1_000;

export type SlowRequestGuard = ReturnType<typeof guardSlowRequests>;

/**
 * Slow-request guard (against slowloris): ends requests of HTTP/2 whose bodies are not complete
 * after `bodyMs`, with 408, as HTTP/1 does, or by a close if the answer has begun. Node has no such
 * limit: its timeout starts anew with each byte. The guard also closes streams whose answers are
 * out before the end of their bodies: nobody reads the rest.
 *
 * @param endlessPaths requests of these paths may take as long as they like
 */
export function guardSlowRequests(bodyMs: number, endlessPaths: ReadonlySet<string>) {
  const arriving = new Map<ServerHttp2Stream, number>();

  function look(): void {
    const late = performance.now() - bodyMs;
    for (const [stream, sinceMs] of arriving) {
      if (stream.readableEnded) arriving.delete(stream);
      else if (sinceMs <= late) end(stream);
      else if (isAnswered(stream)) stream.close();
    }
  }

  const timer = setInterval(look, Math.min(LOOK_MAX_MS, bodyMs / LOOKS));
  timer.unref();
  return {
    opened(stream: ServerHttp2Stream, path: string) {
      const isEndless = endlessPaths.has(path);
      arriving.set(stream, isEndless ? Number.POSITIVE_INFINITY : performance.now());
    },
    closed: (stream: ServerHttp2Stream) => void arriving.delete(stream),
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
