import { once } from "node:events";
import * as http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";

/** Everything that a client sees of an answer over HTTP/2. */
export type ExchangeAnswer = {
  headers: http2.IncomingHttpHeaders;
  /** Hexadecimal. */
  body: string;
  trailers: http2.IncomingHttpHeaders;
  /** The code with which the stream closed. */
  code: number | undefined;
};

/** A call over HTTP/2, given as raw bytes. */
export type Exchange = {
  readonly headers: http2.OutgoingHttpHeaders;
  /** The body, one DATA frame each. */
  readonly chunks: readonly Uint8Array[];
  /** Waits before each chunk, so that they arrive one by one. */
  readonly pauseMs?: number;
  readonly trailers?: http2.OutgoingHttpHeaders;
  /** Leaves the body open, and returns once the answer has ended. */
  readonly neverEnds?: boolean;
  /** Leaves the body open, and waits until the server closes the stream. */
  readonly staysOpen?: boolean;
};

/** Makes a call on a new connection, and gives the answer once the stream is closed. */
export async function exchange(port: number, call: Exchange): Promise<ExchangeAnswer> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  try {
    const { trailers } = call;
    const waitForTrailers = trailers !== undefined;
    const stream = session.request(call.headers, { endStream: false, waitForTrailers });
    const answer: ExchangeAnswer = { headers: {}, body: "", trailers: {}, code: undefined };
    const closed = once(stream, "close");
    stream.on("error", () => {});
    stream.on("wantTrailers", () => stream.sendTrailers(trailers ?? {}));
    stream.on("response", (headers) => (answer.headers = plain(headers)));
    stream.on("trailers", (found) => (answer.trailers = plain(found)));
    stream.on("data", (chunk: Buffer) => (answer.body += chunk.toString("hex")));
    for (const chunk of call.chunks) {
      if (call.pauseMs !== undefined) await sleep(call.pauseMs);
      if (!stream.destroyed) stream.write(chunk);
    }
    if (call.neverEnds === true) {
      await once(stream, "end");
      return answer;
    }
    if (call.staysOpen !== true) stream.end();
    await closed;
    answer.code = stream.rstCode;
    return answer;
  } finally {
    session.destroy();
  }
}

/** Headers without symbols and without the date, which changes every second. */
function plain(headers: http2.IncomingHttpHeaders): http2.IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== "date"));
}
