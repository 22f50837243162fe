import { type FileHandle, open } from "node:fs/promises";
import { createReadStream } from "node:fs";
import { UserError } from "../errors/user-error.ts";
import { readLines } from "../transfer/lines.ts";
import type { CloudEvent } from "./cloud-event.ts";

/** An event that was not delivered. */
export type DeadLetter = {
  /** When the feed gave up, in RFC 3339. */
  readonly time: string;
  /** Why, in words. */
  readonly reason: string;
  readonly attempts: number;
  readonly event: CloudEvent;
};

/** Appends a letter; resolves when it is on disk. */
export type AppendLetter = (letter: DeadLetter) => Promise<void>;

/**
 * Opens a file for dead letters, one line of JSON each. What it has stays.
 *
 * @throws {UserError} if it cannot be written
 */
export async function openDeadLetters(path: string): Promise<AppendLetter> {
  const unwritable = (error: Error) => {
    throw new UserError(`cannot write ${path}: ${error.message}`);
  };
  const handle = await open(path, "a+", 0o600).catch(unwritable);
  await endLine(handle).catch(unwritable);
  // One after the other: lines must not mix.
  let last: Promise<void> = Promise.resolve();
  return (letter) => {
    last = last.then(() => append(handle, letter)).catch(unwritable);
    return last;
  };
}

/** Ends the last line, if a full disk or a power cut left only a part of it. */
async function endLine(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  if (size === 0) return;
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  if (bytesRead === 1 && buffer.toString() !== "\n") await handle.writeFile("\n");
}

async function append(handle: FileHandle, letter: DeadLetter): Promise<void> {
  await handle.writeFile(`${JSON.stringify(letter)}\n`);
  await handle.sync();
}

/**
 * Reads the events of a file of dead letters.
 *
 * @throws {UserError} if it cannot be read, or a line is none
 */
export async function* readDeadLetters(path: string): AsyncGenerator<CloudEvent> {
  try {
    for await (const { number, bytes } of readLines(createReadStream(path))) {
      yield eventIn(bytes.toString(), `line ${number} of ${path}`);
    }
  } catch (error) {
    if (!(error instanceof Error) || !("syscall" in error)) throw error;
    throw new UserError(`cannot read ${path}: ${error.message}`);
  }
}

function eventIn(line: string, where: string): CloudEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // As below: it says nothing more to whoever mends the file.
  }
  const event = (value as Partial<DeadLetter> | undefined)?.event;
  if (event?.specversion === "1.0" && typeof event.id === "string") return event;
  throw new UserError(`${where} is not a dead letter`);
}
