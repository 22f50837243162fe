import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { exportEntries } from "../transfer/export.ts";
import { UsageError } from "../usage.ts";
import { readArguments } from "./arguments.ts";
import { withDatabase } from "./database.ts";
import { rateText, startProgress } from "./progress.ts";

/** `points export [FILE]`: all entries, as lines of JSON. */
export async function runExport(args: readonly string[]): Promise<void> {
  const { positionals } = readArguments(args, {}, ["FILE"]);
  const [name] = positionals;
  const progress = startProgress();
  const sinceMs = performance.now();
  const entries = await withDatabase(async (orm) => {
    const out = name === undefined ? process.stdout : createWriteStream(name, { flush: true });
    let failed: Error | undefined;
    out.on("error", (error: Error) => (failed = error));
    try {
      const written = await exportEntries(orm, async (lines, so) => {
        if (failed === undefined && !out.write(lines)) {
          await Promise.race([once(out, "drain"), once(out, "close")]);
        }
        if (failed !== undefined) throw failed;
        progress.show(() => rateText(so, "entries", sinceMs));
      });
      if (out !== process.stdout) {
        out.end();
        await finished(out);
      }
      return written;
    } catch (error) {
      if (error !== failed) throw error;
      throw new UsageError(`cannot write ${name ?? "the output"}: ${failed?.message}`);
    } finally {
      progress.clear();
    }
  });
  // Standard output may be the entries.
  console.error(rateText(entries, entries === 1 ? "entry" : "entries", sinceMs));
}
