import type { ServerHttp2Stream } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import { timedOut } from "./deadline.ts";
import { HEAD_BYTES } from "./grpc-frame.ts";
import { Pieces } from "./pieces.ts";

/**
 * Reads the body of a unary call on the fast path, and calls `done` once. It gives the whole body,
 * or as much of it as shows what is wrong: two messages are too many. If the deadline comes first it
 * gives an error, and the call is answered then: nothing of it was applied.
 *
 * @param limits the bytes of the message, and the deadline as `performance.now()` counts
 */
export function readBody(
  stream: ServerHttp2Stream,
  { maxBytes, deadline }: { readonly maxBytes: number; readonly deadline: number },
  done: (body: Buffer | ConnectError) => void,
): void {
  const pieces = new Pieces();
  let timer: NodeJS.Timeout | undefined;
  // Nearly all bodies arrive in the same turn as their heads, and a timer costs ten times as much
  // as this: so the timer starts a turn later.
  const soon = setImmediate(() => {
    if (stream.destroyed) return;
    timer = setTimeout(late, deadline - performance.now());
    stream.once("close", stopWaiting);
  });
  const stopWaiting = () => {
    clearImmediate(soon);
    clearTimeout(timer);
  };
  const give = (body: Buffer | ConnectError) => {
    stopWaiting();
    // The rest of the body flows to nobody.
    stream.off("data", onData).off("end", finish);
    done(body);
  };
  const finish = () => give(pieces.bytes);
  const late = () => give(timedOut());
  const onData = (chunk: Buffer) => {
    pieces.add(chunk);
    const { length } = pieces;
    const announced = length >= HEAD_BYTES ? pieces.bytes.readUInt32BE(1) : 0;
    if (announced > maxBytes || length > 2 * (maxBytes + HEAD_BYTES)) finish();
  };
  stream.on("data", onData).on("end", finish);
  if (deadline <= performance.now()) late();
}
