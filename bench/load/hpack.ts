// As much of HPACK (RFC 7541) as the load needs: the headers of its calls, and the status of the
// server's trailers, which it encodes without a table because it is told to.

/**
 * Encodes the headers of one connection's calls, by their path, as gRPC clients do: what was sent
 * before is a number in the table that both ends keep, and the server has it at hand.
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
      // One that no call here reaches.
      field("grpc-timeout", "30S"),
    ]);
    // A new field moves all others by one place.
    if (table.length > fieldsBefore) blocks.clear();
    else blocks.set(path, block);
    return block;
  };
}

/** The `grpc-status` of a header block as nghttp2, Node's HTTP/2, writes it. */
export function grpcStatus(block: Buffer): number | undefined {
  const at = block.indexOf(GRPC_STATUS);
  if (at === -1) return undefined;
  const start = at + GRPC_STATUS.length;
  // A status has one or two digits, which nghttp2 leaves as they are: a code would not be shorter.
  const length = block[start]!;
  if (length > 2) return undefined;
  const status = Number(block.toString("latin1", start + 1, start + 1 + length));
  return Number.isInteger(status) ? status : undefined;
}

/** `:method: POST` and `:scheme: http`, which every table has. */
const POST_HTTP = Buffer.from([0x83, 0x86]);
const INDEXED = 0x80;
const TO_INDEX = 0x40;
/** The places of names that every table has. */
const STATIC_NAMES = new Map([
  [":authority", 1],
  [":path", 4],
  ["content-type", 31],
  ["user-agent", 58],
]);
/** The place of the newest field; the one before it has the next. */
const DYNAMIC_FROM = 62;

/** "grpc-status" with its length, Huffman-coded. */
const GRPC_STATUS = Buffer.from("889acac8b21234da8f", "hex");

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  // Longer ones would need a length of several bytes.
  if (bytes.length > 126) throw new Error(`too long for a header here: ${value}`);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}
