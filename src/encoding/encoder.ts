import { compareBytes } from "./byte-order.ts";
import { sha256 } from "./sha256.ts";

/**
 * The canonical encoding of what is hashed (docs/hash.md): fields in the order of their tags, each as
 * one byte of tag, four bytes of length (big endian) and its value. Two different contents never give
 * the same bytes, and any language can write it in some twenty lines.
 *
 * A number is its decimal digits, a text its UTF-8, a nested message the encoding of its fields. A
 * list is a count in four bytes and then each item behind its length; a map is a list of its keys and
 * values in turn, whose count is that of the keys. Zero, empty and absent are the same and are left
 * out, so that a field may be added later: what was hashed before stays as it was.
 *
 * An encoder is used again and again: it writes each content over the one before, and makes no
 * objects on the way. `begin` first, then the fields, then `sha256`.
 */
export class Encoder {
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  #end = 0;

  /** Begins a content, behind bytes that are hashed as they are. */
  begin(prefix: Uint8Array): this {
    this.#end = 0;
    this.#append(prefix);
    return this;
  }

  /** SHA-256, 32 bytes, of the prefix and the fields. */
  sha256(): Buffer {
    return sha256(this.#bytes.subarray(0, this.#end));
  }

  /** The prefix and the fields themselves. */
  encoded(): Uint8Array {
    return Uint8Array.from(this.#bytes.subarray(0, this.#end));
  }

  number(tag: number, value: bigint | null): this {
    return value === null || value === 0n ? this : this.text(tag, String(value));
  }

  text(tag: number, value: string): this {
    if (value === "") return this;
    const start = this.#open(tag);
    this.#appendText(value);
    return this.#close(start);
  }

  bytes(tag: number, value: Uint8Array): this {
    if (value.length === 0) return this;
    const start = this.#open(tag);
    this.#append(value);
    return this.#close(start);
  }

  /** A nested message: `write` writes the fields of `value`. */
  message<T>(tag: number, value: T, write: (encoder: this, value: T) => void): this {
    const start = this.#open(tag);
    write(this, value);
    return this.#close(start);
  }

  /** A list of nested messages. */
  messages<T>(tag: number, values: readonly T[], write: (encoder: this, value: T) => void): this {
    if (values.length === 0) return this;
    const start = this.#open(tag);
    this.#appendLength(values.length);
    for (const value of values) {
      const item = this.#openItem();
      write(this, value);
      this.#closeItem(item);
    }
    return this.#close(start);
  }

  /** A list of texts. */
  texts(tag: number, values: readonly string[]): this {
    if (values.length === 0) return this;
    const start = this.#open(tag);
    this.#appendLength(values.length);
    for (const value of values) this.#appendItem(value);
    return this.#close(start);
  }

  /** A map, in the order of its keys' bytes in UTF-8. */
  map(tag: number, value: ReadonlyMap<string, string>): this {
    if (value.size === 0) return this;
    const start = this.#open(tag);
    this.#appendLength(value.size);
    for (const pair of [...value].toSorted(([a], [b]) => compareBytes(a, b))) {
      for (const text of pair) this.#appendItem(text);
    }
    return this.#close(start);
  }

  /** Begins a field, and leaves room for its length; where its value begins. */
  #open(tag: number): number {
    this.#reserve(TAG_BYTES);
    this.#bytes[this.#end] = tag;
    this.#end += TAG_BYTES;
    return this.#openItem();
  }

  /** Ends a field; takes it back if its value is empty. */
  #close(start: number): this {
    if (this.#end === start) this.#end = start - LENGTH_BYTES - TAG_BYTES;
    else this.#closeItem(start);
    return this;
  }

  #openItem(): number {
    this.#reserve(LENGTH_BYTES);
    this.#end += LENGTH_BYTES;
    return this.#end;
  }

  #closeItem(start: number): void {
    this.#writeLength(this.#end - start, start - LENGTH_BYTES);
  }

  #appendItem(text: string): void {
    const item = this.#openItem();
    this.#appendText(text);
    this.#closeItem(item);
  }

  #appendLength(length: number): void {
    this.#reserve(LENGTH_BYTES);
    this.#writeLength(length, this.#end);
    this.#end += LENGTH_BYTES;
  }

  #writeLength(length: number, at: number): void {
    this.#bytes[at] = length >>> 24;
    this.#bytes[at + 1] = length >>> 16;
    this.#bytes[at + 2] = length >>> 8;
    this.#bytes[at + 3] = length;
  }

  /** Byte by byte: a call of the runtime costs more for the few bytes that there mostly are. */
  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    for (let at = 0; at < bytes.length; at += 1) this.#bytes[this.#end + at] = bytes[at]!;
    this.#end += bytes.length;
  }

  /** Unit by unit as long as they are ASCII, as in `#append`. */
  #appendText(text: string): void {
    this.#reserve(text.length * UTF8_MAX_BYTES);
    let at = 0;
    for (; at < text.length; at += 1) {
      const unit = text.charCodeAt(at);
      if (unit > ASCII_MAX) break;
      this.#bytes[this.#end + at] = unit;
    }
    this.#end += at;
    if (at < text.length) this.#end += this.#bytes.write(text.slice(at), this.#end);
  }

  /** Makes room for this many bytes more; what is written stays. */
  #reserve(length: number): void {
    const end = this.#end + length;
    if (end <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(end, 2 * this.#bytes.length));
    this.#bytes.copy(larger);
    this.#bytes = larger;
  }
}

const INITIAL_BYTES = 4_096;
const TAG_BYTES = 1;
const LENGTH_BYTES = 4;
const UTF8_MAX_BYTES = 3; // For each unit of a text.
const ASCII_MAX = 0x7f;
