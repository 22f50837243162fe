import { readFile } from "node:fs/promises";
import { fromJson } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { UsageSchema } from "../../gen/points/v1/prices_pb.ts";
import { costAt, priceUsage } from "../../src/ledger/prices.ts";
import { toUsage } from "../../src/rpc/commands.ts";
import { parsePrices } from "../../src/rpc/price-file.ts";

const page = await readFile("docs/prices.md", "utf8");
const [, example] = /```yaml\n([^]*?)```/.exec(page)!;
const rows = [...page.matchAll(/^\| (\S+) \| `(.+)` \| (\d+) \|$/gm)];

describe("docs/prices.md", () => {
  test("has uses of each service of its example", () => {
    const { lists } = parsePrices(example!, "docs/prices.md");
    const used = new Set(rows.map(([, , use]) => (parse(use!) as { service: string }).service));
    for (const { services } of lists) expect(new Set(services.keys())).toEqual(used);
  });

  test.each(rows.map(([, time, use, points]) => [time!, use!, BigInt(points!)] as const))(
    "says what a use costs at %s: %s",
    (time, use, points) => {
      const { lists } = parsePrices(example!, "docs/prices.md");
      const usage = toUsage(fromJson(UsageSchema, parse(use) as never));
      const now = BigInt(Date.parse(time)) * 1_000n;
      expect(costAt(priceUsage(lists, usage), now)).toMatchObject({ points });
    },
  );
});
