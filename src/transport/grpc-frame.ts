import type { EnvelopedMessage } from "@connectrpc/connect/protocol";

/** The bytes before each message of gRPC: a flag, and four bytes of length. */
export const HEAD_BYTES = 5;

/**
 * Frames a message as `encodeEnvelope` does, but in Node's buffer pool: an array of its own costs
 * more than all else in a call.
 */
export function frame({ flags, data }: EnvelopedMessage): Buffer {
  const framed = Buffer.allocUnsafe(HEAD_BYTES + data.length);
  framed[0] = flags;
  framed.writeUInt32BE(data.length, 1);
  framed.set(data, HEAD_BYTES);
  return framed;
}

/** Whether a body is exactly one message, without flags. */
export function isOneMessage(body: Buffer): boolean {
  if (body.length < HEAD_BYTES || body[0] !== 0) return false;
  return body.readUInt32BE(1) === body.length - HEAD_BYTES;
}

/**
 * Finds whole messages in bytes that are still arriving.
 *
 * @param maxBytes of a message; a larger one counts as whole at once, to be refused
 * @returns where the last whole message ends, and how many bytes from there show more
 */
export function wholeMessages(bytes: Buffer, maxBytes: number): { end: number; wanted: number } {
  let end = 0;
  while (bytes.length >= end + HEAD_BYTES) {
    const size = bytes.readUInt32BE(end + 1);
    if (size > maxBytes) return { end: bytes.length, wanted: 0 };
    if (bytes.length < end + HEAD_BYTES + size) return { end, wanted: HEAD_BYTES + size };
    end += HEAD_BYTES + size;
  }
  return { end, wanted: HEAD_BYTES };
}
