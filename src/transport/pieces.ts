/**
 * Bytes that come in pieces, kept in one buffer that doubles. A list of the pieces would do for
 * large ones; of single bytes it takes two hundred times their memory, and what looks through the
 * list at each of them takes the thread.
 */
export class Pieces {
  #buffer: Buffer = EMPTY;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What is kept. It stays as it is while more comes. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Keeps a piece; the first is not copied, since it is usually the only one. */
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

  /** Gives what is before an offset, and keeps the rest. */
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
