import { readFile } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { testDatabase } from "../support/database.ts";
import { clientsOf } from "../support/load.ts";
import { startPoints } from "../support/processes.ts";
import { type Sample, samplesOf } from "../support/scrape.ts";

test("the dashboard and the alerts ask for nothing that a server does not have", async () => {
  const samples = await scrape();
  const expressions = [...(await dashboardExpressions()), ...(await alertExpressions())];
  expect(expressions.length).toBeGreaterThan(20);
  for (const expression of expressions) {
    const selectors = [...expression.matchAll(/\b([a-z]+_[a-z_]+\w*)\b(?:\{([^}]*)\})?/g)].filter(
      ([, name]) => !FUNCTIONS.has(name!),
    );
    expect(selectors, `names in ${expression}`).not.toHaveLength(0);
    for (const [, name, matchers = ""] of selectors) {
      const found = samples.filter((sample) => sample.name === name);
      expect(found, `${name} in ${expression}`).not.toHaveLength(0);
      const used = [...matchers.matchAll(/(\w+)[!=]~?/g), ...groupings(expression)];
      for (const [, label] of used) {
        expect(Object.keys(found[0]!.labels), `${label} of ${name}`).toContain(label);
      }
      for (const [, label, value] of matchers.matchAll(/(\w+)="(\w+)"/g)) {
        const values = found.map(({ labels }) => labels[label!]);
        expect(values, `${label} of ${name}`).toContain(value);
      }
    }
  }
});

test("each metric of a server is in the dashboard or in an alert", async () => {
  const names = new Set(
    (await scrape()).map(({ name }) => name.replace(/_(bucket|sum|count)$/, "")),
  );
  const own = [...names].filter((name) => name.startsWith("points_"));
  const expressions = [...(await dashboardExpressions()), ...(await alertExpressions())].join("\n");
  expect(own.length).toBeGreaterThan(10);
  for (const name of own) expect(expressions).toContain(name);
});

const FUNCTIONS = new Set(["histogram_quantile", "min_over_time", "__rate_interval"]);

/** The labels that a sum is by. */
function groupings(expression: string): string[][] {
  const lists = [...expression.matchAll(/ by \(([^)]*)\)/g)].map(([, list]) => list!);
  return lists.flatMap((list) => list.split(", ").map((label) => [label, label]));
}

async function dashboardExpressions(): Promise<string[]> {
  const dashboard = JSON.parse(await readFile("ops/grafana/points.json", "utf8")) as {
    panels: { targets: { expr: string }[] }[];
  };
  return dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
}

async function alertExpressions(): Promise<string[]> {
  const { groups } = parse(await readFile("ops/prometheus/alerts.yaml", "utf8")) as {
    groups: { rules: { expr: string }[] }[];
  };
  return groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
}

async function scrape(): Promise<Sample[]> {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const server = await startPoints({ DATABASE_URL: database.url });
  const [client] = clientsOf(server, 1);
  await client!.recharge({ userId: "ada", points: 1n });
  const [, url] = /^Metrics: (\S+)$/m.exec(server.stdout())!;
  const response = await fetch(url!, { headers: { connection: "close" } });
  const samples = samplesOf(await response.text());
  await server.end("SIGTERM");
  return samples;
}
