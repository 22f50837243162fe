import { connect, type Socket } from "node:net";
import { grpcStatus } from "./hpack.ts";

/**
 * One HTTP/2 connection (RFC 9113) of a load that must cost next to nothing: the machine is shared
 * with the server that it measures, and Node's own client costs more than what it would measure.
 * Frames are written by hand, and those of one turn of the event loop go out in one write.
 */
export type Connection = {
  /** How many calls may be under way at once. */
  readonly maxStreams: number;
  /**
   * Begins a call; what it gives names the call. The first message is enveloped already, and may
   * be written over as soon as this returns.
   *
   * @param end whether it is the only message
   */
  begin(headers: Buffer, message: Buffer, end: boolean): number;
  /** A further message of a call. */
  send(stream: number, message: Buffer, end: boolean): void;
  /** Sends all that was begun. */
  flush(): void;
  close(): void;
};

export type Handlers = {
  /** Some bytes of the answer to a call: they stay valid only until this returns. */
  onData(stream: number, bytes: Buffer): void;
  /** A call has ended. `status` is its gRPC status, undefined if it had none. */
  onEnd(stream: number, status: number | undefined): void;
  /** All that arrived together was handed over: the time to send what follows. */
  onTurn(): void;
  /** The connection broke, or said what should not be. */
  onBroken(error: Error): void;
};

const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE] = [0, 1, 3, 4, 6, 7, 8];
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const PADDED_OR_PRIORITY = 0x28;
const [HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE] = [1, 2, 3, 4];
const HEAD_BYTES = 9;
const FRAME_MAX_BYTES = 16_384;
const WINDOW_DEFAULT_BYTES = 65_535;
const WINDOW_MAX_BYTES = 2 ** 31 - 1;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

type Blocked = { readonly stream: number; rest: Buffer; readonly end: boolean };

/** Connects to a port of this machine; ready once the server has said its settings. */
export async function openConnection(port: number, handlers: Handlers): Promise<Connection> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const ready = Promise.withResolvers<void>();
  const frames = frameWriter(socket);
  const sending = createSending(frames);
  let maxStreams = Number.POSITIVE_INFINITY;
  let nextStream = 1;
  let received = 0;
  let isClosed = false;

  function fail(why: string): void {
    if (isClosed) return;
    isClosed = true;
    socket.destroy();
    const error = new Error(`HTTP/2: ${why}`);
    ready.reject(error);
    handlers.onBroken(error);
  }

  function onSettings(flags: number, body: Buffer): void {
    if ((flags & ACK) !== 0) return;
    for (let at = 0; at + 6 <= body.length; at += 6) {
      const value = body.readUInt32BE(at + 2);
      const id = body.readUInt16BE(at);
      if (id === MAX_CONCURRENT_STREAMS) maxStreams = value;
      if (id === INITIAL_WINDOW_SIZE) sending.setInitialWindow(value);
    }
    frames.write(SETTINGS, ACK, 0);
    ready.resolve();
  }

  function onFrame(type: number, flags: number, stream: number, body: Buffer): void {
    switch (type) {
      case DATA:
        received += body.length;
        if (body.length > 0) handlers.onData(stream, body);
        if ((flags & END_STREAM) !== 0) handlers.onEnd(stream, undefined);
        return;
      case HEADERS:
        if ((flags & END_HEADERS) === 0 || (flags & PADDED_OR_PRIORITY) !== 0) {
          return fail("headers in a form that the load does not read");
        }
        if ((flags & END_STREAM) !== 0) handlers.onEnd(stream, grpcStatus(body));
        return;
      case RST_STREAM:
        return handlers.onEnd(stream, undefined);
      case SETTINGS:
        return onSettings(flags, body);
      case PING:
        if ((flags & ACK) === 0) frames.write(PING, ACK, 0, body);
        return;
      case GOAWAY:
        return fail("the server goes away");
      case WINDOW_UPDATE:
        return sending.onWindowUpdate(stream, body.readUInt32BE(0));
      default:
    }
  }

  const readFrames = frameReader(onFrame);
  socket.on("data", (chunk) => {
    readFrames(chunk);
    if (received > WINDOW_MAX_BYTES / 2) {
      frames.write(WINDOW_UPDATE, 0, 0, uint32(received));
      received = 0;
    }
    handlers.onTurn();
    frames.flush();
  });
  socket.on("error", ({ message }) => fail(message));
  socket.on("close", () => fail("the server closed the connection"));

  socket.write(PREFACE);
  const settings = [
    [HEADER_TABLE_SIZE, 0],
    [ENABLE_PUSH, 0],
    [INITIAL_WINDOW_SIZE, WINDOW_MAX_BYTES],
  ].map(([id, value]) => Buffer.concat([Buffer.from([0, id!]), uint32(value!)]));
  frames.write(SETTINGS, 0, 0, Buffer.concat(settings));
  frames.write(WINDOW_UPDATE, 0, 0, uint32(WINDOW_MAX_BYTES - WINDOW_DEFAULT_BYTES));
  frames.flush();
  await ready.promise;

  return {
    maxStreams,
    begin(headers, message, end) {
      const stream = nextStream;
      nextStream += 2;
      frames.write(HEADERS, END_HEADERS, stream, headers);
      sending.send(stream, message, end);
      return stream;
    },
    send: sending.send,
    flush: frames.flush,
    close() {
      isClosed = true;
      socket.destroy();
    },
  };
}

type FrameWriter = {
  write(type: number, flags: number, stream: number, body?: Buffer): void;
  flush(): void;
};

/** Gathers frames, and writes them together. */
function frameWriter(socket: Socket): FrameWriter {
  let gathered = Buffer.allocUnsafe(1 << 16);
  let used = 0;
  return {
    write(type, flags, stream, body = EMPTY) {
      const size = HEAD_BYTES + body.length;
      if (used + size > gathered.length) {
        const larger = Buffer.allocUnsafe(2 * (used + size));
        gathered.copy(larger, 0, 0, used);
        gathered = larger;
      }
      gathered.writeUIntBE(body.length, used, 3);
      gathered[used + 3] = type;
      gathered[used + 4] = flags;
      gathered.writeUInt32BE(stream, used + 5);
      body.copy(gathered, used + HEAD_BYTES);
      used += size;
    },
    flush() {
      if (used === 0) return;
      socket.write(Buffer.from(gathered.subarray(0, used)));
      used = 0;
    },
  };
}

const EMPTY = Buffer.alloc(0);

/** Takes bytes as they come, and hands over whole frames. */
function frameReader(
  onFrame: (type: number, flags: number, stream: number, body: Buffer) => void,
): (chunk: Buffer) => void {
  let rest = EMPTY as Buffer;
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (at + HEAD_BYTES <= bytes.length) {
      const end = at + HEAD_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      onFrame(bytes[at + 3]!, bytes[at + 4]!, stream, bytes.subarray(at + HEAD_BYTES, end));
      at = end;
    }
    rest = bytes.subarray(at);
  };
}

/** Sends messages as far as the server's windows let them through, and the rest later. */
function createSending(frames: FrameWriter) {
  let connectionWindow = WINDOW_DEFAULT_BYTES;
  let initialWindow = WINDOW_DEFAULT_BYTES;
  /** Of streams that have sent something and are not at their end. */
  const windows = new Map<number, number>();
  let blocked: Blocked[] = [];

  function write(stream: number, bytes: Buffer, end: boolean): void {
    frames.write(DATA, end ? END_STREAM : 0, stream, bytes);
    connectionWindow -= bytes.length;
    if (end) windows.delete(stream);
    else windows.set(stream, windowOf(stream) - bytes.length);
  }

  function windowOf(stream: number): number {
    return windows.get(stream) ?? initialWindow;
  }

  /** Whether all of it has gone. */
  function advance(one: Blocked): boolean {
    for (;;) {
      const { stream, rest, end } = one;
      const room = Math.min(FRAME_MAX_BYTES, connectionWindow, windowOf(stream));
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
    send(stream: number, message: Buffer, end: boolean): void {
      const room = Math.min(FRAME_MAX_BYTES, connectionWindow, windowOf(stream));
      if (blocked.length === 0 && message.length <= room) return write(stream, message, end);
      blocked.push({ stream, rest: Buffer.from(message), end });
      sendBlocked();
    },
    setInitialWindow(bytes: number): void {
      initialWindow = bytes;
    },
    onWindowUpdate(stream: number, bytes: number): void {
      if (stream === 0) connectionWindow += bytes;
      else if (windows.has(stream)) windows.set(stream, windows.get(stream)! + bytes);
      if (blocked.length > 0) sendBlocked();
    },
  };
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
