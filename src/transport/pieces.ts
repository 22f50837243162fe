/**
 * Bytes that arrive in pieces, in one buffer that doubles. A list of pieces would do for large ones.
 * Single bytes take two hundred times their memory in a list, and a reader that goes through the
 * list at each piece takes the thread.
 */
export class Pieces {
  #buffer: Buffer = EMPTY;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The bytes so far. The view stays valid while more arrive. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Keeps a piece. The first is not copied: usually it is the only one. */
  add(piece: Buffer): void {
    const length = this.#length + piece.length;
    if (this.#length === 0) {
      this.#buffer = piece;
    } else {
      if (length > this.#buffer.length) this.#grow(2 * length);
      piece.copy(this.#buffer, this.#length);
    }
    this.#length = length;
  }

  /** Removes and returns the bytes before an offset, and keeps the rest. */
  take(end: number): Buffer {
    const taken = this.bytes.subarray(0, end);
    this.#buffer = this.bytes.subarray(end);
    this.#length = this.#buffer.length;
    return taken;
  }

  #grow(capacity: number): void {
    const larger = Buffer.allocUnsafe(capacity);
    this.bytes.copy(larger);
    this.#buffer = larger;
  }
}

const EMPTY = Buffer.alloc(0);
