import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { reportGrowth } from "./report/growth.ts";
import { type Plots, plotsOfGrowth, plotsOfRows } from "./report/plots.ts";
import { reportRows } from "./report/rows.ts";
import type { Growth, Results } from "./results.ts";

/** The results, in memory and in a folder as JSON, Markdown and plots. */
export type Saved = {
  results(): Results | undefined;
  growth(): Growth | undefined;
  saveResults(results: Results): Promise<void>;
  saveGrowth(growth: Growth): Promise<void>;
};

/** Opens a folder with the results of earlier runs. --quick has files of its own. */
export async function openSaved(folder: string, isQuick: boolean): Promise<Saved> {
  const names = isQuick ? QUICK_NAMES : NAMES;
  let results = await readJson<Results>(join(folder, `${names.results}.json`));
  let growth = await readJson<Growth>(join(folder, `${names.growth}.json`));

  // Each report may show figures of the other run, so both are written each time.
  async function save(): Promise<void> {
    const files: Record<string, string> = {};
    const addPlots = (plots: Plots) => {
      Object.assign(files, plots);
      return Object.keys(plots);
    };
    if (growth !== undefined) {
      files[`${names.growth}.json`] = toJson(growth);
      const plots = addPlots(plotsOfGrowth(growth.ledgers, names.plots));
      files[`${names.growth}.md`] = reportGrowth(growth, plots);
    }
    if (results !== undefined) {
      files[`${names.results}.json`] = toJson(results);
      const plots = addPlots(plotsOfRows(results.rows, names.plots));
      files[`${names.results}.md`] = reportRows(results, growth, plots);
    }
    await mkdir(folder, { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeWhole(join(folder, name), text);
  }

  return {
    results: () => results,
    growth: () => growth,
    async saveResults(all) {
      results = all;
      await save();
    },
    async saveGrowth(all) {
      growth = all;
      await save();
    },
  };
}

const NAMES = { results: "results", growth: "growth", plots: "" };
const QUICK_NAMES = { results: "quick", growth: "quick-growth", plots: "quick-" };

/** Reads JSON; undefined if the file does not exist. */
async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Writes atomically: an interrupt leaves the old file or the new one. */
async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
