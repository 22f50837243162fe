import { expect, test } from "vitest";
import { MUTANTS } from "./list.ts";
import { planted, sourceOf } from "./plant.ts";

test.each(MUTANTS)("a bug can be planted: $name", async (mutant) => {
  const source = await sourceOf(mutant);
  expect(planted(source, mutant)).not.toBe(source);
});

test("there are at least 30 mutants, each with a unique name", () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  expect(MUTANTS.length).toBeGreaterThanOrEqual(30);
});
