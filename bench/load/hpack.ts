// As much of HPACK (RFC 7541) as the load needs: headers that the server decodes without a dynamic
// table, and the status of its trailers, which it encodes without one because it is told to.

/** A header block of literals, neither indexed nor Huffman-coded. */
export function encodeHeaders(headers: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => [LITERAL, text(name), text(value)]),
  );
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

const LITERAL = Buffer.from([0]);

/** "grpc-status" with its length, Huffman-coded. */
const GRPC_STATUS = Buffer.from("889acac8b21234da8f", "hex");

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  // Longer ones would need a length of several bytes.
  if (bytes.length > 126) throw new Error(`too long for a header here: ${value}`);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}
