import { finished } from "node:stream/promises";
import { UserError } from "../errors/user-error.ts";
import { exportEntries } from "../transfer/export.ts";
import { readArguments } from "./arguments.ts";
import { withDatabase } from "./database.ts";
import { createOutput, writeOutput } from "./output-file.ts";
import { rateText, startProgress } from "./progress.ts";

/** `points export [FILE]`: writes all entries as lines of JSON. */
export async function runExport(args: readonly string[]): Promise<void> {
  const { positionals } = readArguments(args, {}, ["FILE"]);
  const [name] = positionals;
  const progress = startProgress();
  const sinceMs = performance.now();
  const entries = await withDatabase("reads", async (orm) => {
    const out = name === undefined ? process.stdout : await createOutput(name);
    try {
      const written = await exportEntries(orm, async (lines, soFar) => {
        await writeOutput(out, lines);
        progress.show(() => rateText(soFar, "entries", sinceMs));
      });
      if (out !== process.stdout) await finished(out.end());
      return written;
    } catch (error) {
      if (error !== out.errored) throw error;
      throw new UserError(`cannot write ${name ?? "the output"}: ${out.errored?.message}`);
    } finally {
      progress.clear();
    }
  });
  // Standard output may contain the entries.
  console.error(rateText(entries, entries === 1 ? "entry" : "entries", sinceMs));
}
