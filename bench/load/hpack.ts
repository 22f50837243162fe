// The part of HPACK (RFC 7541) that the load needs: the headers of its calls, and the status in the
// server's trailers. The load's settings forbid the server a dynamic table.

/**
 * Encodes the headers of one connection's calls, by path, as gRPC clients do: a header that was sent
 * before is an index into the dynamic table that both ends keep.
 */
export function headerEncoder(authority: string): (path: string) => Buffer {
  const table: string[] = [];
  const field = (name: string, value: string): Buffer => {
    const known = table.indexOf(`${name}: ${value}`);
    if (known !== -1) return Buffer.from([INDEXED | (DYNAMIC_FROM + table.length - 1 - known)]);
    table.push(`${name}: ${value}`);
    const named = STATIC_NAMES.get(name);
    if (named !== undefined) return Buffer.concat([Buffer.from([TO_INDEX | named]), text(value)]);
    return Buffer.concat([Buffer.from([TO_INDEX]), text(name), text(value)]);
  };
  const blocks = new Map<string, Buffer>();
  return (path) => {
    const known = blocks.get(path);
    if (known !== undefined) return known;
    const fieldsBefore = table.length;
    const block = Buffer.concat([
      POST_HTTP,
      field(":path", path),
      field(":authority", authority),
      field("content-type", "application/grpc"),
      field("te", "trailers"),
      field("user-agent", "points-bench"),
      // No call here reaches this deadline.
      field("grpc-timeout", "30S"),
    ]);
    // A new field shifts the indexes of all others by one.
    if (table.length > fieldsBefore) blocks.clear();
    else blocks.set(path, block);
    return block;
  };
}

/** The `grpc-status` of a header block in the encoding of nghttp2, which Node uses. */
export function grpcStatus(block: Buffer): number | undefined {
  const at = block.indexOf(GRPC_STATUS);
  if (at === -1) return undefined;
  const start = at + GRPC_STATUS.length;
  // nghttp2 does not Huffman-code the one or two digits of a status: it would not be shorter.
  const length = block[start]!;
  if (length > 2) return undefined;
  const status = Number(block.toString("latin1", start + 1, start + 1 + length));
  return Number.isInteger(status) ? status : undefined;
}

/** `:method: POST` and `:scheme: http` of the static table. */
const POST_HTTP = Buffer.from([0x83, 0x86]);
const INDEXED = 0x80;
const TO_INDEX = 0x40;
/** The indexes of names in the static table. */
const STATIC_NAMES = new Map([
  [":authority", 1],
  [":path", 4],
  ["content-type", 31],
  ["user-agent", 58],
]);
/** The index of the newest field in the dynamic table; older fields follow. */
const DYNAMIC_FROM = 62;

/** "grpc-status" with its length, Huffman-coded. */
const GRPC_STATUS = Buffer.from("889acac8b21234da8f", "hex");

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  // A longer one would need a length of several bytes.
  if (bytes.length > 126) throw new Error(`too long for a header here: ${value}`);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}
