/** A message from a PostgreSQL client. */
export type Message = {
  readonly bytes: Buffer;
  /** The SQL of a short Query or Parse message; otherwise empty. */
  readonly text: string;
};

const TYPE_QUERY = "Q".charCodeAt(0);
const TYPE_PARSE = "P".charCodeAt(0);
const TEXT_MAX_BYTES = 200;

/**
 * Parses the messages of a client in PostgreSQL's protocol version 3: a type, then a length that
 * includes itself. The first message has no type.
 *
 * @returns a function that takes the next bytes and gives the messages completed by them
 */
export function messagesOf(): (chunk: Buffer) => Message[] {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let neededBytes = 0;
  let isStarted = false;

  return (chunk) => {
    waiting.push(chunk);
    waitingBytes += chunk.length;
    if (waitingBytes < neededBytes) return [];
    let rest = waiting.length === 1 ? chunk : Buffer.concat(waiting);
    const messages: Message[] = [];
    for (;;) {
      const header = isStarted ? 5 : 4;
      const size = rest.length < header ? header : header - 4 + rest.readUInt32BE(header - 4);
      neededBytes = size;
      if (rest.length < size) break;
      messages.push({ bytes: rest.subarray(0, size), text: isStarted ? textOf(rest, size) : "" });
      isStarted = true;
      rest = rest.subarray(size);
    }
    waiting = rest.length === 0 ? [] : [rest];
    waitingBytes = rest.length;
    return messages;
  };
}

/** Whether the SQL of a Query or Parse message is a COMMIT. */
export function isCommit(text: string): boolean {
  return /^\s*commit\b/i.test(text);
}

function textOf(bytes: Buffer, size: number): string {
  if (size > TEXT_MAX_BYTES) return "";
  const [type, content] = [bytes[0], bytes.toString("latin1", 5, size)];
  if (type === TYPE_QUERY) return content.slice(0, -1);
  return type === TYPE_PARSE ? (content.split("\0")[1] ?? "") : "";
}
