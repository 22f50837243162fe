import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, onTestFinished, test } from "vitest";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import {
  parsePrices,
  PricesError,
  readPrices,
  SHIPPED_PRICES,
} from "../../src/config/price-file.ts";
import { MAX_POINTS } from "../../src/ledger/account.ts";
import { testDatabase } from "../support/database.ts";
import { refusalOf } from "../support/error-info.ts";
import {
  runPoints,
  type RunningPoints,
  sessionsTo,
  startPoints,
  temporaryFolder,
  until,
} from "../support/processes.ts";

const SECOND = 1_000_000_000n;

test("the price list that ships is the product's", () => {
  const { version, services } = readPrices(SHIPPED_PRICES);
  const limits = { minimum: 0n, maximum: MAX_POINTS };
  const second = { kind: "duration", unitNanos: SECOND, ...limits };
  expect(version).toMatch(/^[!-~]{1,64}$/);
  const video = services.get("video");
  expect(Object.fromEntries(services)).toEqual({
    script: { kind: "fixed", points: 5n },
    polish: { kind: "fixed", points: 1n },
    title: { kind: "fixed", points: 1n },
    voice_clone: { kind: "fixed", points: 200n },
    compose: { kind: "fixed", points: 5n },
    subtitle_burn: { kind: "fixed", points: 2n },
    cover_design: { kind: "fixed", points: 2n },
    tts: { ...second, points: 1n },
    video,
    caption: { kind: "free" },
    auto_align: { kind: "free" },
  });
  expect(video).toMatchObject({ kind: "duration", unitNanos: SECOND });
});

describe("a price is read", () => {
  const limits = { minimum: 0n, maximum: MAX_POINTS };
  const cases: [text: string, price: object][] = [
    ["free", { kind: "free" }],
    ["{ fixed: 0 }", { kind: "fixed", points: 0n }],
    ["{ fixed: 1000000000000 }", { kind: "fixed", points: MAX_POINTS }],
    ["{ quantity: { points: 3 } }", { kind: "quantity", points: 3n, ...limits }],
    [
      "{ quantity: { points: 3, minimum: 5, maximum: 5 } }",
      { kind: "quantity", points: 3n, minimum: 5n, maximum: 5n },
    ],
    ...(
      [
        ["500ms", SECOND / 2n],
        ["1s", SECOND],
        ["90s", 90n * SECOND],
        ["1m", 60n * SECOND],
        ["24h", 86_400n * SECOND],
        ["999999h", 999_999n * 3_600n * SECOND],
      ] as const
    ).map(([unit, unitNanos]): [string, object] => [
      `{ duration: { points: 2, unit: ${unit}, minimum: 10 } }`,
      { kind: "duration", points: 2n, unitNanos, minimum: 10n, maximum: MAX_POINTS },
    ]),
  ];
  test.each(cases)("from %s", (text, price) => {
    const { version, services } = parsePrices(listOf(`it: ${text}`), "p.yaml");
    expect([version, [...services]]).toEqual(["v1", [["it", price]]]);
  });
});

describe("a mistake is named with its place:", () => {
  const points = "must be a whole number of points, 0 to 1000000000000";
  const version = "version must be a text of 1 to 64 printable characters, in quotes";
  const unit = "services.it.duration.unit must be a time such as 500ms, 1s, 1m";
  const prices: [price: string, wrong: string][] = [
    ["cheap", "services.it must be free, fixed, quantity or duration"],
    ["5", "services.it must be free, fixed, quantity or duration"],
    ["", "services.it must be free, fixed, quantity or duration"],
    ["[fixed]", "services.it must be free, fixed, quantity or duration"],
    ["{ free: true }", "services.it must be free, fixed, quantity or duration"],
    ["{ perpetual: 5 }", "services.it must be free, fixed, quantity or duration"],
    ["{ fixed: 5, quantity: { points: 1 } }", "services.it must be priced one way"],
    ["{ fixed: -1 }", `services.it.fixed ${points}`],
    ["{ fixed: 1.5 }", `services.it.fixed ${points}`],
    ["{ fixed: 1e3 }", `services.it.fixed ${points}`],
    ['{ fixed: "5" }', `services.it.fixed ${points}`],
    ["{ fixed: }", `services.it.fixed ${points}`],
    ["{ fixed: { points: 5 } }", `services.it.fixed ${points}`],
    ["{ fixed: 1000000000001 }", `services.it.fixed ${points}`],
    ["{ fixed: 18446744073709551621 }", `services.it.fixed ${points}`],
    ["{ quantity: 5 }", `services.it.quantity.points ${points}`],
    ["{ quantity: { minimum: 1 } }", `services.it.quantity.points ${points}`],
    ["{ quantity: { points: x } }", `services.it.quantity.points ${points}`],
    ["{ quantity: { points: 1, minimum: -1 } }", `services.it.quantity.minimum ${points}`],
    ["{ quantity: { points: 1, maximum: 1e13 } }", `services.it.quantity.maximum ${points}`],
    ["{ quantity: { points: 1, unit: 1s } }", "services.it.quantity.unit is not part of a price"],
    [
      "{ quantity: { points: 1, minimum: 3, maximum: 2 } }",
      "services.it.quantity.minimum must not pass the maximum",
    ],
    ["{ duration: { points: 1 } }", unit],
    ["{ duration: { points: 1, unit: 1 } }", unit],
    ["{ duration: { points: 1, unit: 0s } }", unit],
    ["{ duration: { points: 1, unit: -1s } }", unit],
    ["{ duration: { points: 1, unit: 1.5s } }", unit],
    ["{ duration: { points: 1, unit: 1 s } }", unit],
    ["{ duration: { points: 1, unit: 1d } }", unit],
    ["{ duration: { points: 1, unit: 1000000h } }", unit],
    ["{ duration: { unit: 1s } }", `services.it.duration.points ${points}`],
    [
      "{ duration: { points: 1, unit: 1s, free: true } }",
      "services.it.duration.free is not part of a price",
    ],
  ];
  test.each(prices)("it: %s", (price, wrong) => {
    expect(mistakesIn(listOf(`it: ${price}`))).toEqual([wrong]);
  });

  const lists: [title: string, text: string, wrong: string[]][] = [
    ["no version", "services: { it: free }", [version]],
    ["a version that is a number", "version: 1\nservices: { it: free }", [version]],
    ["an empty version", 'version: ""\nservices: { it: free }', [version]],
    ["a version with a space", 'version: "a b"\nservices: { it: free }', [version]],
    [
      "a version of 65 characters",
      `version: "${"v".repeat(65)}"\nservices: { it: free }`,
      [version],
    ],
    ["no services", 'version: "v1"', ["services must name at least one service"]],
    ["nothing under services", listOf(""), ["services must name at least one service"]],
    [
      "an empty map of services",
      'version: "v1"\nservices: {}',
      ["services must name at least one service"],
    ],
    [
      "a list of services",
      'version: "v1"\nservices: [it]',
      ["services must name at least one service"],
    ],
    ["an empty file", "", [version, "services must name at least one service"]],
    ["a sentence", "hello there", [version, "services must name at least one service"]],
    [
      "a word that is not part of it",
      'version: "v1"\nservice: { it: free }\nservices: { it: free }',
      ["service is not part of a price list"],
    ],
    [
      "a service with a space in its name",
      listOf("a b: free"),
      ["services.a b is no name for a service"],
    ],
    [
      "a service of 129 characters",
      listOf(`${"s".repeat(129)}: free`),
      [`services.${"s".repeat(129)} is no name for a service`],
    ],
    [
      "several at once",
      "version: 7\nextra: 1\nservices:\n  a: { fixed: x }\n  b: cheap\n  c: { fixed: 1 }\n" +
        "  d: { duration: { points: -1, unit: soon, minimum: 2, maximum: 1, more: 1 } }\n",
      [
        "extra is not part of a price list",
        version,
        `services.a.fixed ${points}`,
        "services.b must be free, fixed, quantity or duration",
        "services.d.duration.more is not part of a price",
        "services.d.duration.minimum must not pass the maximum",
        `services.d.duration.points ${points}`,
        unit.replace("it", "d"),
      ],
    ],
  ];
  test.each(lists)("%s", (_, text, wrong) => expect(mistakesIn(text)).toEqual(wrong));

  test.each([
    ["a brace that stays open", "version: {"],
    ["a service that is there twice", listOf("it: free\n  it: { fixed: 1 }")],
    ["two documents", `${listOf("it: free")}\n---\n${listOf("it: free")}`],
    ["an alias of nothing", listOf("it: *that")],
  ])("%s is not YAML", (_, text) => {
    expect(() => parsePrices(text, "p.yaml")).toThrow(/^p\.yaml is not YAML: /);
    expect(() => parsePrices(text, "p.yaml")).toThrow(PricesError);
  });

  test("a file that is not there", () => {
    const read = () => readPrices("/nowhere/p.yaml");
    expect(read).toThrow(PricesError);
    expect(read).toThrow("cannot read the price list /nowhere/p.yaml");
  });
});

describe("a server with PRICES", () => {
  test("reads the list again on SIGHUP, and keeps the old one if it is broken", async () => {
    const { server, write, client } = await started("it: { fixed: 5 }");
    const cost = async () => (await client.quote({ usage: { service: "it" } })).points;
    expect(await cost()).toBe(5n);

    await write('version: "v2"\nservices: { it: { fixed: 6 }, more: free }');
    expect(await cost()).toBe(5n);
    server.child.kill("SIGHUP");
    await until("the new list is in force", async () => (await cost()) === 6n);
    expect(await client.getPriceList({})).toMatchObject({
      priceVersion: "v2",
      prices: [{ service: "it" }, { service: "more" }],
    });
    expect(server.stderr()).toContain('"version":"v2"');

    const broken = [
      ['version: "v3"\nservices: { it: { fixed: 7.5 } }', "services.it.fixed must be a whole"],
      ["version: {", "is not YAML"],
      ["", "version must be a text"],
    ] as const;
    for (const [text, why] of broken) {
      await write(text);
      server.child.kill("SIGHUP");
      await until("it is refused", () => server.stderr().includes(why));
      expect(await cost()).toBe(6n);
    }
    expect(server.stderr()).toContain("the new prices are refused, the old ones stay in force");

    await write('version: "v4"\nservices: { more: { fixed: 1 } }');
    server.child.kill("SIGHUP");
    await until("the last list is in force", async () => {
      return (await client.getPriceList({})).priceVersion === "v4";
    });
    expect(await refusalOf(client.quote({ usage: { service: "it" } }))).toMatchObject({
      code: "NotFound",
      reason: "SERVICE_NOT_PRICED",
      metadata: { service: "it" },
    });
    expect((await server.end("SIGTERM")).code).toBe(0);
  });

  test("charges and records by the list that was in force when the call came", async () => {
    const { server, write, client } = await started("it: { fixed: 5 }");
    await client.recharge({ userId: "ada", points: 100n });
    const cost = { case: "usage", value: { service: "it" } } as const;
    const request = { userId: "ada", requestId: "r1", cost };
    const first = await client.consume(request);
    expect(first.entry).toMatchObject({ points: 5n, usage: { priceVersion: "v1" } });

    await write('version: "v2"\nservices: { other: free }');
    server.child.kill("SIGHUP");
    await until("the new list is in force", async () => {
      return (await client.getPriceList({})).priceVersion === "v2";
    });

    // Idempotency: the service has left the list since, but the repeat gets the same answer.
    expect(await client.consume(request)).toEqual({ ...first, replayed: true });
    expect(await refusalOf(client.consume({ userId: "ada", cost }))).toMatchObject({
      reason: "SERVICE_NOT_PRICED",
    });
  });

  test("does not start with a list with mistakes, and names all of them", async () => {
    const folder = await temporaryFolder();
    const file = join(folder, "p.yaml");
    await writeFile(file, listOf("a: cheap\n  b: { fixed: -1 }"));
    const database = await testDatabase();
    onTestFinished(() => database.close());
    const { code, stderr } = await runPoints({ DATABASE_URL: database.url, PRICES: file }).exit;
    expect(code).toBe(1);
    expect(stderr).toBe(
      `points: ${file}: services.a must be free, fixed, quantity or duration; ` +
        "services.b.fixed must be a whole number of points, 0 to 1000000000000\n",
    );
  });

  test("does not start without its file", async () => {
    const { code, stderr } = await runPoints({ PRICES: "/nowhere/p.yaml" }).exit;
    expect([code, stderr]).toEqual([1, "points: cannot read the price list /nowhere/p.yaml\n"]);
  });
});

function listOf(services: string): string {
  return `version: "v1"\nservices:\n  ${services}\n`;
}

function mistakesIn(text: string): string[] {
  try {
    parsePrices(text, "p.yaml");
    return [];
  } catch (error) {
    if (!(error instanceof PricesError)) throw error;
    return error.message.replace(/^p\.yaml: /, "").split("; ");
  }
}

/** A server in its own process, with a price list that the test can rewrite. */
async function started(services: string) {
  const folder = await temporaryFolder();
  const file = join(folder, "p.yaml");
  await writeFile(file, listOf(services));
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const server: RunningPoints = await startPoints({ DATABASE_URL: database.url, PRICES: file });
  const sessionManager = sessionsTo(server.baseUrl);
  const transport = createGrpcTransport({ baseUrl: server.baseUrl, sessionManager });
  const client = createClient(PointsService, transport);
  return { server, client, write: (text: string) => writeFile(file, text) };
}
