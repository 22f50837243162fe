import { FLAG, FRAME, FRAME_MAX_BYTES, type FrameWriter } from "./frames.ts";

/** HTTP/2 flow control (RFC 9113, section 5.2) for sent messages. */
export type Sending = {
  /** Sends as much of a message as the server's windows allow, and the rest later. */
  send(stream: number, message: Buffer, end: boolean): void;
  /** Applies the server's setting to streams that begin from now on. */
  setInitialWindow(bytes: number): void;
  /** Adds bytes to the window of a stream, or of the connection if the stream is 0. */
  onWindowUpdate(stream: number, bytes: number): void;
};

export const WINDOW_DEFAULT_BYTES = 65_535;

type Blocked = { readonly stream: number; rest: Buffer; readonly end: boolean };

/** Creates the sender, which writes DATA frames. */
export function createSending(frames: FrameWriter): Sending {
  let connectionWindow = WINDOW_DEFAULT_BYTES;
  let initialWindow = WINDOW_DEFAULT_BYTES;
  /** The windows of streams that have sent data and are still open. */
  const windows = new Map<number, number>();
  let blocked: Blocked[] = [];

  function write(stream: number, bytes: Buffer, end: boolean): void {
    frames.write(FRAME.data, end ? FLAG.endStream : 0, stream, bytes);
    connectionWindow -= bytes.length;
    if (end) windows.delete(stream);
    else windows.set(stream, windowOf(stream) - bytes.length);
  }

  function windowOf(stream: number): number {
    return windows.get(stream) ?? initialWindow;
  }

  function roomOf(stream: number): number {
    return Math.min(FRAME_MAX_BYTES, connectionWindow, windowOf(stream));
  }

  /** Sends more of a message; true once all of it is sent. */
  function advance(one: Blocked): boolean {
    for (;;) {
      const { stream, rest, end } = one;
      const room = roomOf(stream);
      if (rest.length <= room) {
        write(stream, rest, end);
        return true;
      }
      if (room <= 0) return false;
      write(stream, rest.subarray(0, room), false);
      one.rest = rest.subarray(room);
    }
  }

  function sendBlocked(): void {
    const stuck = new Set<number>();
    blocked = blocked.filter((one) => {
      if (!stuck.has(one.stream) && advance(one)) return false;
      stuck.add(one.stream);
      return true;
    });
  }

  return {
    send(stream, message, end) {
      if (blocked.length === 0 && message.length <= roomOf(stream)) {
        write(stream, message, end);
        return;
      }
      blocked.push({ stream, rest: Buffer.from(message), end });
      sendBlocked();
    },
    setInitialWindow(bytes) {
      initialWindow = bytes;
    },
    onWindowUpdate(stream, bytes) {
      if (stream === 0) connectionWindow += bytes;
      else if (windows.has(stream)) windows.set(stream, windows.get(stream)! + bytes);
      if (blocked.length > 0) sendBlocked();
    },
  };
}
