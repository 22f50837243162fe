import { glob, readFile } from "node:fs/promises";
import { expect, test } from "vitest";

test("npm run test:long runs each test that does more for it, and no other", async () => {
  const { scripts } = JSON.parse(await readFile("package.json", "utf8")) as {
    scripts: Record<string, string>;
  };
  const long: string[] = [];
  for await (const file of glob("test/**/*.test.ts")) {
    if (/\bTIMES \} from "/.test(await readFile(file, "utf8"))) long.push(file);
  }
  expect(scripts["test:long"]!.match(/test\/\S+/g)?.toSorted()).toEqual(long.toSorted());
});
