import { sha256 } from "../encoding/sha256.ts";

/**
 * A compact hash table (open addressing) from names to numbers: 18 to 36 bytes a name. A Map takes 70
 * for a user id of 18 digits, and is full at sixteen million. The key is 64 bits of the name's
 * SHA-256: among ten million names, two collide with a chance of 1 in 400,000.
 */
export class NumbersByName {
  /** Slots of three words: two of the hash, and the number. The number of a free slot is 0. */
  #slots = new Uint32Array(3 * 1024);
  #used = 0;

  /** Returns 0 for a name without a number. */
  get(name: string): number {
    return this.#slots[find(this.#slots, hashOf(name)) + 2]!;
  }

  /** @param number from 1 to 2^32 - 1 */
  set(name: string, number: number): void {
    const words = hashOf(name);
    const at = find(this.#slots, words);
    if (this.#slots[at + 2] === 0) this.#used += 1;
    this.#slots.set([...words, number], at);
    if (this.#used * 3 * 1.5 > this.#slots.length) this.#grow();
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 3) {
      if (old[at + 2] === 0) continue;
      const slot = old.subarray(at, at + 3);
      this.#slots.set(slot, find(this.#slots, [slot[0]!, slot[1]!]));
    }
  }
}

type Words = readonly [number, number];

function hashOf(name: string): Words {
  const digest = sha256(Buffer.from(name));
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
}

/** Linear probing: the index of the slot with this hash, or of the first free slot for it. */
function find(slots: Uint32Array, [low, high]: Words): number {
  let at = (low % (slots.length / 3)) * 3;
  while (slots[at + 2] !== 0 && !(slots[at] === low && slots[at + 1] === high)) {
    at = (at + 3) % slots.length;
  }
  return at;
}
