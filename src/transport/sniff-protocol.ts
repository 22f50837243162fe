import type * as net from "node:net";

const PREFACE = Buffer.from("PRI * HTTP/2.0");

/**
 * Tells HTTP/2 from HTTP/1 by a connection's first bytes (prior knowledge), and puts them back. The
 * socket is left paused: data must not flow before the protocol's own listeners are in place.
 *
 * @param firstByteMs after which a connection that has not decided it is destroyed
 */
export function sniffProtocol(
  socket: net.Socket,
  firstByteMs: number,
  decided: (isHttp2: boolean) => void,
): void {
  let seen: Buffer = Buffer.alloc(0);
  const destroy = () => socket.destroy();
  const timer = setTimeout(destroy, firstByteMs);
  const stop = () => {
    clearTimeout(timer);
    socket.off("data", onData).off("end", destroy).off("close", stop);
  };
  const onData = (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, PREFACE.length);
    const isPreface = seen.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (isPreface && length < PREFACE.length) return;
    stop();
    socket.pause();
    socket.unshift(seen);
    decided(isPreface);
  };
  socket.on("data", onData).on("end", destroy).on("close", stop);
}
