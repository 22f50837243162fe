import { open } from "node:fs/promises";
import type { Writable } from "node:stream";
import { UserError } from "../errors/user-error.ts";

/** Makes a file, or empties it. @throws {UserError} if that cannot be */
export async function createOutput(name: string): Promise<Writable> {
  const file = await open(name, "w").catch((error: Error) => {
    throw new UserError(`cannot write ${name}: ${error.message}`);
  });
  return file.createWriteStream({ flush: true });
}

/** Backpressure: waits until the text is written, so that memory has one page of it. */
export function writeOutput(out: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    out.once("error", reject);
    out.write(text, (error) => {
      out.off("error", reject);
      if (error) reject(error);
      else resolve();
    });
  });
}
