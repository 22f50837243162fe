import { connect } from "node:net";
import { FLAG, FRAME, frameReader, frameWriter, type OnFrame } from "./frames.ts";
import { grpcStatus, headerEncoder } from "./hpack.ts";
import { createSending, WINDOW_DEFAULT_BYTES } from "./sending.ts";

/**
 * A minimal HTTP/2 client connection (RFC 9113) for the load. It must be cheap: the load shares the
 * machine with the server, and Node's own client costs more than the server. It writes frames
 * by hand, and sends those of one turn of the event loop in one write.
 */
export type Connection = {
  /** The maximum of calls under way. */
  readonly maxStreams: number;
  /**
   * Begins a call. The first message has its envelope; its buffer may be reused once this returns.
   *
   * @param end whether it is the only message
   * @returns the id of the call's stream
   */
  begin(path: string, message: Buffer, end: boolean): number;
  /** Sends a further message of a call. */
  send(stream: number, message: Buffer, end: boolean): void;
  /** Writes everything sent since the last flush. */
  flush(): void;
  close(): void;
};

export type Handlers = {
  /** Called with some bytes of a call's answer, which are valid only until this returns. */
  onData(stream: number, bytes: Buffer): void;
  /** Called when a call has ended. `status` is its gRPC status, undefined if there was none. */
  onEnd(stream: number, status: number | undefined): void;
  /** Called after all data of one chunk is handed over: the time to send the next calls. */
  onTurn(): void;
  /** Called when the connection broke or the server violated the protocol. */
  onBroken(error: Error): void;
};

const SETTING = { headerTableSize: 1, enablePush: 2, maxStreams: 3, initialWindow: 4 } as const;
const WINDOW_MAX_BYTES = 2 ** 31 - 1;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Connects to `http://host:port`; resolves once the server has sent its settings. */
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

/** Settings: no dynamic header table, no push, and large windows for answers. */
const OWN_SETTINGS = Buffer.concat(
  [
    [SETTING.headerTableSize, 0],
    [SETTING.enablePush, 0],
    [SETTING.initialWindow, WINDOW_MAX_BYTES],
  ].map(([id, value]) => Buffer.concat([Buffer.from([0, id!]), uint32(value!)])),
);
