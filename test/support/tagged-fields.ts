/** Fields of the encoding of docs/hash.md, by their tags. */
export type Fields = ReadonlyMap<number, Buffer>;

/** Decodes fields. It throws if a tag does not come after the one before, or if bytes are left. */
export function readFields(bytes: Buffer): Fields {
  const fields = new Map<number, Buffer>();
  let [at, last] = [0, 0];
  while (at < bytes.length) {
    const tag = bytes.readUInt8(at);
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    if (tag <= last || end > bytes.length) throw new Error(`no field at byte ${at}`);
    fields.set(tag, bytes.subarray(at + 5, end));
    [at, last] = [end, tag];
  }
  return fields;
}

/** Decodes a list or a map: its count, and its items. */
export function readItems(bytes: Buffer): { count: number; items: readonly Buffer[] } {
  const items: Buffer[] = [];
  let at = 4;
  while (at < bytes.length) {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) throw new Error(`no item at byte ${at}`);
    items.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return { count: bytes.readUInt32BE(0), items };
}

/** A field's number; 0 if it is left out. */
export function numberIn(fields: Fields, tag: number): bigint {
  return BigInt(textIn(fields, tag));
}

/** A field's number; null if it is left out. */
export function optionalIn(fields: Fields, tag: number): bigint | null {
  return fields.has(tag) ? numberIn(fields, tag) : null;
}

/** The fields of a nested message; none if it is left out. */
export function messageIn(fields: Fields, tag: number): Fields {
  return readFields(fields.get(tag) ?? Buffer.alloc(0));
}

/** A field's text; empty if it is left out. */
export function textIn(fields: Fields, tag: number): string {
  return fields.get(tag)?.toString() ?? "";
}

/** The items of a list or a map; none if it is left out. */
export function itemsIn(fields: Fields, tag: number): ReturnType<typeof readItems> {
  const field = fields.get(tag);
  return field === undefined ? { count: 0, items: [] } : readItems(field);
}
