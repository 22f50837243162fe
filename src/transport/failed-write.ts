import type { Http2ServerResponse } from "node:http2";

/**
 * Calls it what it is if a write fails: the caller has gone away. Connect takes the socket's own error,
 * such as ECANCELED, for one of its handler, and prints it.
 */
export function nameFailedWrites(response: Http2ServerResponse): void {
  const { write } = response;
  Object.assign(response, {
    write(chunk: Uint8Array, encoding: BufferEncoding, done: Written = () => {}) {
      return write.call(response, chunk, encoding, (error?: Error) => done(error && gone(error)));
    },
  });
}

type Written = (error?: Error) => void;

/** Connect knows this code. */
function gone(cause: Error): Error {
  const code = "ERR_STREAM_DESTROYED";
  return Object.assign(new Error("the caller has gone away", { cause }), { code });
}
