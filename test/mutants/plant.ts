import { cp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { makeFolder } from "../support/run-folder.ts";
import type { Mutant } from "./mutant.ts";

/** A copy of the project for one planted bug at a time. */
export type Copy = {
  readonly folder: string;
  /** Runs `work` with the bug planted. */
  with<T>(mutant: Mutant, work: () => Promise<T>): Promise<T>;
  remove(): Promise<void>;
};

const ROOT = resolve(import.meta.dirname, "../..");
const COPIED = ["src", "gen", "proto", "test", "bin", "prices.yaml", "vitest.config.ts"];
const EXAMPLE = ["clients/typescript/src", "clients/typescript/package.json"];
const ALSO_COPIED = ["package.json", "tsconfig.json", "docs", ...EXAMPLE];

/** Copies the project; the copy shares the installed packages. */
export async function copyProject(): Promise<Copy> {
  const folder = await makeFolder("mutants");
  for (const name of [...COPIED, ...ALSO_COPIED]) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return {
    folder,
    async with(mutant, work) {
      const path = join(folder, mutant.file);
      const original = await readFile(path, "utf8");
      await writeFile(path, planted(original, mutant));
      try {
        return await work();
      } finally {
        await writeFile(path, original);
      }
    },
    remove: () => rm(folder, { recursive: true }),
  };
}

/** The original source of a mutant's file. */
export function sourceOf({ file }: Mutant): Promise<string> {
  return readFile(join(ROOT, file), "utf8");
}

/**
 * A file's source with the bug.
 *
 * @throws an Error unless the text to replace occurs exactly once
 */
export function planted(source: string, { name, file, find, replace }: Mutant): string {
  const [before, after, ...more] = source.split(find);
  if (before === undefined || after === undefined || more.length > 0) {
    const count = source.split(find).length - 1;
    throw new Error(`"${name}" does not apply: ${file} has its text ${count} times`);
  }
  return `${before}${replace}${after}`;
}
