import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { UserError } from "../errors/user-error.ts";
import { StoppedImport, UnreadableFile } from "../transfer/bad-line.ts";
import { type Imported, importFile } from "../transfer/import.ts";
import { readArguments, required } from "./arguments.ts";
import { withClient } from "./client.ts";
import { bar, rateText, startProgress } from "./progress.ts";

/**
 * `points import FILE`: prints each bad line and its reason on standard error, and a summary at the
 * end. The process then exits with 1 if a line is bad.
 */
export async function runImport(args: readonly string[]): Promise<void> {
  const options = { server: { type: "string" } } as const;
  const { values, positionals } = readArguments(args, options, ["FILE"]);
  const name = required(positionals[0], "FILE");
  await withClient(values.server, async (client) => {
    const size = name === "-" ? undefined : await sizeOf(name);
    const file = name === "-" ? process.stdin : createReadStream(name);
    const progress = startProgress();
    const sinceMs = performance.now();
    let soFar: Imported | undefined;
    const onProgress = (imported: Imported) => {
      soFar = imported;
      progress.show(() => {
        const done = rateText(imported.lines, "lines", sinceMs);
        return size === undefined ? done : `${bar(bytesRead(file) / size)}  ${done}`;
      });
    };
    const onBad = (line: number, why: string) => {
      progress.clear();
      console.error(`${name}:${line}: ${why}`);
    };
    try {
      const imported = await importFile(client, file, { onBad, onProgress });
      progress.clear();
      console.log(summary(imported, sinceMs));
      if (imported.bad > 0) process.exitCode = 1;
    } catch (error) {
      progress.clear();
      if (error instanceof UnreadableFile) throw new UserError(`${name} ${error.message}`);
      if (error instanceof StoppedImport) throw new UserError(error.message);
      if (soFar !== undefined && soFar.lines > 0) {
        console.error(`It stopped before its end, after ${summary(soFar, sinceMs)}`);
      }
      if (error !== file.errored) throw error;
      throw new UserError(`cannot read ${name}: ${file.errored?.message}`);
    }
  });
}

/** The counts add up to the number of lines. */
function summary({ lines, before, empty, bad }: Imported, sinceMs: number): string {
  const count = (many: number) => many.toLocaleString("en");
  const counts = [
    `${count(lines - empty - bad)} imported`,
    before === 0 ? "" : `${count(before)} of them before`,
    empty === 0 ? "" : `${count(empty)} without points`,
    `${count(bad)} bad`,
  ];
  const rate = rateText(lines, lines === 1 ? "line" : "lines", sinceMs);
  return `${rate}: ${counts.filter((one) => one !== "").join(", ")}`;
}

async function sizeOf(name: string): Promise<number | undefined> {
  const found = await stat(name).catch((error: Error) => {
    throw new UserError(`cannot read ${name}: ${error.message}`);
  });
  if (found.isDirectory()) throw new UserError(`cannot read ${name}: it is a folder`);
  // A pipe has no size.
  return found.isFile() && found.size > 0 ? found.size : undefined;
}

function bytesRead(file: object): number {
  return "bytesRead" in file && typeof file.bytesRead === "number" ? file.bytesRead : 0;
}
