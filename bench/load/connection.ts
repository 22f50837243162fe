import { connect } from "node:net";
import { FLAG, FRAME, frameReader, frameWriter, type OnFrame } from "./frames.ts";
import { grpcStatus, headerEncoder } from "./hpack.ts";
import { createSending, WINDOW_DEFAULT_BYTES } from "./sending.ts";

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
  begin(path: string, message: Buffer, end: boolean): number;
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

const SETTING = { headerTableSize: 1, enablePush: 2, maxStreams: 3, initialWindow: 4 } as const;
const WINDOW_MAX_BYTES = 2 ** 31 - 1;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Connects to `http://host:port`; ready once the server has said its settings. */
export async function openConnection(url: string, handlers: Handlers): Promise<Connection> {
  const { host, hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const ready = Promise.withResolvers<void>();
  const frames = frameWriter(socket);
  const sending = createSending(frames);
  const encodeHeaders = headerEncoder(host);
  let maxStreams = Number.POSITIVE_INFINITY;
  let nextStream = 1;
  let received = 0;
  let isClosed = false;

  const fail = (why: string) => {
    if (isClosed) return;
    isClosed = true;
    socket.destroy();
    const error = new Error(`HTTP/2: ${why}`);
    ready.reject(error);
    handlers.onBroken(error);
  };
  const onSettings = (settings: Settings) => {
    maxStreams = settings.get(SETTING.maxStreams) ?? maxStreams;
    const window = settings.get(SETTING.initialWindow);
    if (window !== undefined) sending.setInitialWindow(window);
    frames.write(FRAME.settings, FLAG.ack, 0);
    ready.resolve();
  };
  const onPing = (body: Buffer) => frames.write(FRAME.ping, FLAG.ack, 0, body);
  const onData = (stream: number, bytes: Buffer) => {
    received += bytes.length;
    handlers.onData(stream, bytes);
  };
  const { onEnd } = handlers;
  const { onWindowUpdate } = sending;
  const readFrames = frameReader(
    dispatch({ onData, onEnd, onSettings, onPing, onWindowUpdate, fail }),
  );
  socket.on("data", (chunk) => {
    readFrames(chunk);
    if (received > WINDOW_MAX_BYTES / 2) {
      frames.write(FRAME.windowUpdate, 0, 0, uint32(received));
      received = 0;
    }
    handlers.onTurn();
    frames.flush();
  });
  socket.on("error", ({ message }) => fail(message));
  socket.on("close", () => fail("the server closed the connection"));

  socket.write(PREFACE);
  frames.write(FRAME.settings, 0, 0, OWN_SETTINGS);
  frames.write(FRAME.windowUpdate, 0, 0, uint32(WINDOW_MAX_BYTES - WINDOW_DEFAULT_BYTES));
  frames.flush();
  await ready.promise;

  return {
    maxStreams,
    begin(path, message, end) {
      const stream = nextStream;
      nextStream += 2;
      frames.write(FRAME.headers, FLAG.endHeaders, stream, encodeHeaders(path));
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

type Settings = ReadonlyMap<number, number>;

type Dispatch = Pick<Handlers, "onData" | "onEnd"> & {
  onSettings(settings: Settings): void;
  onPing(body: Buffer): void;
  onWindowUpdate(stream: number, bytes: number): void;
  fail(why: string): void;
};

function dispatch(to: Dispatch): OnFrame {
  return (type, flags, stream, body) => {
    const has = (flag: number) => (flags & flag) !== 0;
    switch (type) {
      case FRAME.data:
        if (body.length > 0) to.onData(stream, body);
        if (has(FLAG.endStream)) to.onEnd(stream, undefined);
        return;
      case FRAME.headers:
        if (!has(FLAG.endHeaders) || has(FLAG.paddedOrPriority)) {
          to.fail("headers in a form that the load does not read");
        } else if (has(FLAG.endStream)) to.onEnd(stream, grpcStatus(body));
        return;
      case FRAME.rstStream:
        return to.onEnd(stream, undefined);
      case FRAME.settings:
        return has(FLAG.ack) ? undefined : to.onSettings(readSettings(body));
      case FRAME.ping:
        return has(FLAG.ack) ? undefined : to.onPing(body);
      case FRAME.goaway:
        return to.fail("the server goes away");
      case FRAME.windowUpdate:
        return to.onWindowUpdate(stream, body.readUInt32BE(0));
      default:
    }
  };
}

function readSettings(body: Buffer): Settings {
  const settings = new Map<number, number>();
  for (let at = 0; at + 6 <= body.length; at += 6) {
    settings.set(body.readUInt16BE(at), body.readUInt32BE(at + 2));
  }
  return settings;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** No dynamic table for headers, nothing pushed, and answers as they come. */
const OWN_SETTINGS = Buffer.concat(
  [
    [SETTING.headerTableSize, 0],
    [SETTING.enablePush, 0],
    [SETTING.initialWindow, WINDOW_MAX_BYTES],
  ].map(([id, value]) => Buffer.concat([Buffer.from([0, id!]), uint32(value!)])),
);
