import { expect, test } from "vitest";
import { follow, type Run } from "../../console/parts/use-run.ts";

/** What is told of work that tells 1 and 2, and does something before it ends. */
async function told(atEnd: (given: AbortController) => void): Promise<readonly Run<number>[]> {
  const given = new AbortController();
  const runs: Run<number>[] = [];
  // oxlint-disable-next-line typescript/require-await -- as work that waits for a server
  async function* work() {
    yield 1;
    yield 2;
    atEnd(given);
  }
  await follow(work, given.signal, (run) => runs.push(run));
  return runs;
}

const RUNNING = [
  { state: "running" },
  { state: "running", progress: 1 },
  { state: "running", progress: 2 },
] as const;

test("work tells how far it is, and that it is done", async () => {
  expect(await told(() => {})).toEqual([...RUNNING, { state: "done", progress: 2 }]);
});

test("work that fails says so, with how far it came", async () => {
  const error = new Error("lost");
  const runs = await told(() => {
    throw error;
  });
  expect(runs).toEqual([...RUNNING, { state: "failed", progress: 2, error }]);
});

test("work that was given up says nothing any more, neither that it is done nor that it failed", async () => {
  expect(await told((given) => given.abort())).toEqual(RUNNING);
  const failing = await told((given) => {
    given.abort();
    throw new Error("aborted");
  });
  expect(failing).toEqual(RUNNING);
});
