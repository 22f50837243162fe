import * as net from "node:net";
import { WAIT_MS } from "../support/patience.ts";
import {
  ACK,
  END_HEADERS,
  END_STREAM,
  type Frame,
  frame,
  PREFACE,
  readFrames,
  readHeaderBlock,
  settings,
  TYPE,
} from "./frames.ts";

/** A raw HTTP/2 connection, and everything received on it so far. */
export type Wire = {
  readonly socket: net.Socket;
  send(...bytes: readonly Uint8Array[]): void;
  /** The outcome of a stream: "200", "200 grpc 3", "RST 7"; undefined while it is open. */
  outcome(stream: number): string | undefined;
  /** The error code of a stream's reset, before or after its answer. */
  reset(stream: number): number | undefined;
  /** The state of the connection: "alive", "GOAWAY 1", "closed". */
  state(): string;
  /** The headers and trailers of a stream. */
  fields(stream: number): Readonly<Record<string, string>>;
  /** Waits until a condition holds or the connection is closed; false on a timeout. */
  until(isSo: () => boolean, timeoutMs?: number): Promise<boolean>;
  /** Whether the peer answers a PING. */
  pings(timeoutMs?: number): Promise<boolean>;
  close(): void;
};

/** The preface, with a header table of size 0, because the reader has no dynamic table. */
export const HELLO = Buffer.concat([PREFACE, settings([1, 0])]);

type Stream = { fields: Record<string, string>; ended: boolean; reset: number | undefined };

/** Opens a connection to a server on this machine, and sends nothing by itself. */
export function openWire(port: number): Wire {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  const streams = new Map<number, Stream>();
  const waiting = new Set<() => void>();
  let rest: Buffer = Buffer.alloc(0);
  let block: Buffer = Buffer.alloc(0);
  let goaway: number | undefined;
  let closed = false;
  let pinged = 0;
  let ponged = 0;

  const take = ({ type, flags, stream: id, payload }: Frame) => {
    const stream = streams.get(id) ?? { fields: {}, ended: false, reset: undefined };
    streams.set(id, stream);
    if (type === TYPE.GOAWAY) goaway = payload.readUInt32BE(4);
    if (type === TYPE.RST_STREAM) stream.reset = payload.readUInt32BE();
    if (type === TYPE.PING && flags === ACK) ponged = Math.max(ponged, payload.readUInt32BE());
    if (type === TYPE.SETTINGS && flags === 0 && !socket.destroyed) {
      socket.write(frame(TYPE.SETTINGS, ACK, 0));
    }
    if (type === TYPE.HEADERS || type === TYPE.CONTINUATION) {
      block = Buffer.concat([block, payload]);
      if ((flags & END_HEADERS) !== 0) {
        Object.assign(stream.fields, Object.fromEntries(readHeaderBlock(block)));
        block = Buffer.alloc(0);
      }
    }
    const canEnd = type === TYPE.HEADERS || type === TYPE.DATA;
    if (canEnd && (flags & END_STREAM) !== 0 && stream.reset === undefined) stream.ended = true;
  };
  const wake = () => waiting.forEach((look) => look());
  socket.on("data", (chunk: Buffer) => {
    const read = readFrames(Buffer.concat([rest, chunk]));
    rest = read.rest;
    read.frames.forEach(take);
    wake();
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    closed = true;
    wake();
  });

  const wire: Wire = {
    socket,
    send(...bytes) {
      if (!socket.destroyed) socket.write(Buffer.concat(bytes));
    },
    outcome(id) {
      const stream = streams.get(id);
      if (stream === undefined) return undefined;
      const { fields, ended, reset } = stream;
      if (!ended) return reset === undefined ? undefined : `RST ${reset}`;
      const status = fields["grpc-status"];
      return `${fields[":status"]}${status === undefined ? "" : ` grpc ${status}`}`;
    },
    reset: (id) => streams.get(id)?.reset,
    state() {
      if (goaway !== undefined) return `GOAWAY ${goaway}`;
      return closed ? "closed" : "alive";
    },
    fields: (id) => streams.get(id)?.fields ?? {},
    until(isSo, timeoutMs = WAIT_MS) {
      return new Promise((resolve) => {
        const look = () => {
          if (!isSo() && !closed) return;
          clearTimeout(timer);
          waiting.delete(look);
          resolve(true);
        };
        const timer = setTimeout(() => {
          waiting.delete(look);
          resolve(false);
        }, timeoutMs);
        waiting.add(look);
        look();
      });
    },
    async pings(timeoutMs) {
      const number = ++pinged;
      const payload = Buffer.alloc(8);
      payload.writeUInt32BE(number);
      wire.send(frame(TYPE.PING, 0, 0, payload));
      await wire.until(() => ponged >= number, timeoutMs);
      return ponged >= number;
    },
    close: () => socket.destroy(),
  };
  return wire;
}
