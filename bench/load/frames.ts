import type { Socket } from "node:net";

// HTTP/2 frames (RFC 9113, section 4): a header of nine bytes, and a body.

/** The types that the load meets. */
export const FRAME = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
} as const;

/** Flags; the meaning of a bit depends on the frame's type. */
export const FLAG = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, paddedOrPriority: 0x28 } as const;

export const FRAME_MAX_BYTES = 16_384;

/** Receives a frame; its body is valid only until this returns. */
export type OnFrame = (type: number, flags: number, stream: number, body: Buffer) => void;

/** Collects frames, and writes them together. */
export type FrameWriter = {
  write(type: number, flags: number, stream: number, body?: Buffer): void;
  flush(): void;
};

/** Creates a writer: the frames between two flushes go out in one write. */
export function frameWriter(socket: Socket): FrameWriter {
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

/** Creates a reader, which takes chunks of bytes and hands over complete frames. */
export function frameReader(onFrame: OnFrame): (chunk: Buffer) => void {
  let rest: Buffer = EMPTY;
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

const HEAD_BYTES = 9;
const EMPTY = Buffer.alloc(0);
