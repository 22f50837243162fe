// Partial decoding of results: the load only reads whether an operation was applied. Decoding all of
// them would cost as much as the server's work on them.

/** The number of operations that an ApplyBatchResponse reports as applied. */
export function countApplied(response: Buffer): number {
  let applied = 0;
  for (let at = 0; at < response.length;) {
    const [size, start] = sizeAt(response, at + 1);
    if (isApplied(response, start)) applied += 1;
    at = start + size;
  }
  return applied;
}

/** The tag of an ApplyResponse, a number, and whether its operation was applied. */
export function readResult(response: Buffer): { tag: number; applied: boolean } {
  const [size, start] = sizeAt(response, 1);
  const [, result] = sizeAt(response, start + size + 1);
  const tag = Number(response.toString("latin1", start, start + size));
  return { tag, applied: isApplied(response, result) };
}

/** OperationResult is a oneof, whose field 1 is the error: field 1, length-delimited. */
const ERROR_TAG = 0x0a;

function isApplied(bytes: Buffer, result: number): boolean {
  return bytes[result] !== ERROR_TAG;
}

/** A length, which is a varint, and the offset after it. */
function sizeAt(bytes: Buffer, from: number): [size: number, start: number] {
  let size = 0;
  for (let at = from, shift = 0; ; at += 1, shift += 7) {
    size |= (bytes[at]! & 0x7f) << shift;
    if (bytes[at]! < 0x80) return [size, at + 1];
  }
}
