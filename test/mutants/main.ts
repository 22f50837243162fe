import { performance } from "node:perf_hooks";
import { openRunFolder } from "../support/run-folder.ts";
import { check, type Verdict } from "./check.ts";
import { MUTANTS } from "./list.ts";
import type { Mutant } from "./mutant.ts";
import { type Copy, copyProject } from "./plant.ts";

// npm run mutants [-- part of a name …]
//
// Mutation testing: plants one bug after the other in a copy of the project, and runs the check that
// must catch it. It exits with 1 if a mutant survives, or if a check fails without a bug.

const AT_ONCE = 2;

const wanted = process.argv.slice(2);
const mutants = MUTANTS.filter(
  ({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)),
);
const left = [...mutants];
await openRunFolder();
const interrupted = new AbortController();
const { signal } = interrupted;
for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => interrupted.abort());
const started = performance.now();
let caught = 0;

if (wanted.length === 0) await withCopy(checkWithoutBug);
await Promise.all(Array.from({ length: AT_ONCE }, () => withCopy(checkMutants)));
const minutes = ((performance.now() - started) / 60_000).toFixed(1);
console.log(`${caught} of ${mutants.length} caught, in ${minutes} minutes`);
process.exitCode = caught === mutants.length ? 0 : 1;

async function withCopy(work: (copy: Copy) => Promise<void>): Promise<void> {
  const copy = await copyProject();
  try {
    await work(copy);
  } finally {
    await copy.remove();
  }
}

/** Runs the checks without a bug: a check that always fails would catch every mutant. */
async function checkWithoutBug({ folder }: Copy): Promise<void> {
  for (const caughtBy of new Set(mutants.map((mutant) => mutant.caughtBy))) {
    const verdict = await check(folder, caughtBy, signal);
    if (signal.aborted) return;
    if (verdict.kind === "passed") {
      console.log(`passes without a bug: ${caughtBy}`);
      continue;
    }
    throw new Error(`without a bug, ${caughtBy} does not pass: ${saying(verdict)}`);
  }
}

async function checkMutants(copy: Copy): Promise<void> {
  for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
    const planted: Mutant = mutant;
    const since = performance.now();
    const verdict = await copy.with(planted, () => check(copy.folder, planted.caughtBy, signal));
    if (signal.aborted) return;
    const seconds = ((performance.now() - since) / 1000).toFixed(0);
    if (verdict.kind === "caught") caught += 1;
    console.log(`${verdict.kind.padEnd(7)} ${planted.name} (${planted.caughtBy}, ${seconds} s)`);
    console.log(`        ${saying(verdict)}`);
  }
}

function saying(verdict: Verdict): string {
  switch (verdict.kind) {
    case "passed":
      return "found nothing";
    case "caught":
      return verdict.finding;
    case "broken":
      return `ended without saying what is wrong:\n${verdict.output}`;
  }
}
