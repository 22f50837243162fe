import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { type Imported, importFile } from "../transfer/import.ts";
import { UsageError } from "../usage.ts";
import { readArguments, required, serverUrl, WrongUsage } from "./arguments.ts";
import { withClient } from "./connect.ts";
import { bar, rateText, startProgress } from "./progress.ts";

/**
 * `points import FILE`: says on standard error which lines are bad and why, and at the end how many
 * there were. The process then exits with 1 if any is bad.
 */
export async function runImport(args: readonly string[]): Promise<void> {
  const options = { server: { type: "string" }, format: { type: "string" } } as const;
  const { values, positionals } = readArguments(args, options, ["FILE"]);
  const name = required(positionals[0], "FILE");
  const format = formatOf(name, values.format);
  const server = serverUrl(values.server);
  const size = name === "-" ? undefined : await sizeOf(name);
  const file = name === "-" ? process.stdin : createReadStream(name);

  const progress = startProgress();
  const sinceMs = performance.now();
  const onProgress = ({ lines }: Imported) =>
    progress.show(() => {
      const done = rateText(lines, "lines", sinceMs);
      return size === undefined ? done : `${bar(bytesRead(file) / size)}  ${done}`;
    });
  const onBad = (line: number, why: string) => {
    progress.clear();
    console.error(`${name}:${line}: ${why}`);
  };
  await withClient(server, async (client) => {
    const { lines, repeated, bad } = await importFile(client, file, format, { onBad, onProgress });
    progress.clear();
    const before = repeated === 0 ? "" : `, ${repeated.toLocaleString("en")} of them before`;
    const good = (lines - bad).toLocaleString("en");
    const rate = rateText(lines, lines === 1 ? "line" : "lines", sinceMs);
    console.log(`${rate}: ${good} imported${before}, ${bad.toLocaleString("en")} bad`);
    if (bad > 0) process.exitCode = 1;
  });
}

function formatOf(name: string, format: string | undefined): "ndjson" | "csv" {
  if (format === undefined) return name.endsWith(".csv") ? "csv" : "ndjson";
  if (format === "ndjson" || format === "csv") return format;
  throw new WrongUsage(`--format takes ndjson or csv, and not ${format}`);
}

async function sizeOf(name: string): Promise<number | undefined> {
  const found = await stat(name).catch((error: Error) => {
    throw new UsageError(`cannot read ${name}: ${error.message}`);
  });
  if (found.isDirectory()) throw new UsageError(`cannot read ${name}: it is a folder`);
  // A pipe has no size.
  return found.isFile() && found.size > 0 ? found.size : undefined;
}

function bytesRead(file: object): number {
  return "bytesRead" in file && typeof file.bytesRead === "number" ? file.bytesRead : 0;
}
