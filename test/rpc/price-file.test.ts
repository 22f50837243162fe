import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, onTestFinished, test } from "vitest";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { parsePrices, PricesError, readPrices, SHIPPED_PRICES } from "../../src/rpc/price-file.ts";
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
const NO_LIMITS = { minimum: 0n, maximum: MAX_POINTS };
const NOTHING = { fixed: 0n, meters: [], ...NO_LIMITS };
const FREE = { charge: NOTHING, rows: [] };
const fixed = (points: bigint) => ({ charge: { ...NOTHING, fixed: points }, rows: [] });
const meter = (of: string, points: bigint, more = {}) => {
  return { of, points, per: 1n, unitNanos: null, ...more };
};
const counted = (meters: object[], limits = {}) => {
  return { charge: { ...NOTHING, meters, ...limits }, rows: [] };
};

test("the price list that ships is the product's", () => {
  const [{ version, services }, ...others] = readPrices(SHIPPED_PRICES).lists;
  const second = { unitNanos: SECOND };
  expect(others).toEqual([]);
  expect(version).toMatch(/^[!-~]{1,64}$/);
  expect(Object.fromEntries(services)).toEqual({
    script: fixed(5n),
    polish: fixed(1n),
    title: fixed(1n),
    voice_clone: fixed(200n),
    compose: fixed(5n),
    subtitle_burn: fixed(2n),
    cover_design: fixed(2n),
    tts: counted([meter("duration", 1n, second)]),
    video: counted([meter("duration", 2n, second)], { minimum: 10n }),
    caption: FREE,
    auto_align: FREE,
  });
});

describe("a price is read", () => {
  const cases: [text: string, price: object][] = [
    ["free", FREE],
    ["{ free: {} }", FREE],
    ["{ fixed: 0 }", FREE],
    ["{ fixed: 1000000000000 }", fixed(MAX_POINTS)],
    ["{ fixed: { points: 7 } }", fixed(7n)],
    ["{ quantity: { points: 3 } }", counted([meter("quantity", 3n)])],
    [
      "{ quantity: { points: 3, minimum: 5, maximum: 5 } }",
      counted([meter("quantity", 3n)], { minimum: 5n, maximum: 5n }),
    ],
    [
      "{ duration: { points: 2, unit: 0.5s, minimum: 10 } }",
      counted([meter("duration", 2n, { unitNanos: SECOND / 2n })], { minimum: 10n }),
    ],
    [
      "{ metered: { meters: [{ points: 3, per: 1000, of: in }, { points: 1, of: quantity }, " +
        "{ points: 2, of: duration, unit: 60s }], maximum: 9 } }",
      counted(
        [
          meter("in", 3n, { per: 1_000n }),
          meter("quantity", 1n),
          meter("duration", 2n, { unitNanos: 60n * SECOND }),
        ],
        { maximum: 9n },
      ),
    ],
    [
      "{ fixed: 5, rows: [{ when: { plan: vip }, factor: 4/5 }, { when: { plan: kid }, free: {} }, " +
        "{ when: { plan: vip, size: 4k }, fixed: 8, factor: 3/2 }] }",
      {
        ...fixed(5n),
        rows: [
          {
            when: new Map([["plan", "vip"]]),
            charge: fixed(5n).charge,
            factor: { numerator: 4n, denominator: 5n },
          },
          { when: new Map([["plan", "kid"]]), charge: NOTHING, factor: null },
          {
            when: new Map(Object.entries({ plan: "vip", size: "4k" })),
            charge: fixed(8n).charge,
            factor: { numerator: 3n, denominator: 2n },
          },
        ],
      },
    ],
  ];
  test.each(cases)("from %s", (text, price) => {
    const { lists } = parsePrices(listOf(`it: ${text}`), "p.yaml");
    expect(lists).toEqual([{ version: "v1", from: null, services: new Map([["it", price]]) }]);
  });

  test("by lists, each from an instant on", () => {
    const second = "{ version: b, from: 2026-12-01T00:00:00.5+01:00, services: { it: free } }";
    const { lists, messages } = parsePrices(twoLists(second), "p.yaml");
    expect(lists.map(({ version, from }) => [version, from])).toEqual([
      ["a", null],
      ["b", BigInt(Date.UTC(2026, 10, 30, 23, 0, 0, 500)) * 1_000n],
    ]);
    expect(messages.map(({ version }) => version)).toEqual(["a", "b"]);
  });
});

describe("a mistake is named with its place:", () => {
  const least = (from: number) =>
    `must be greater than or equal to ${from} and less than or equal to 1000000000000`;
  const fraction = "must be a fraction such as 4/5, of two whole numbers from 1 to 1000000";
  const name = "does not match regex pattern `^[!-~]{1,128}$`";
  const metered = (meters: string) => `{ metered: { meters: [${meters}] } }`;
  const rows = (text: string) => `{ fixed: 1, rows: [${text}] }`;
  const prices: [price: string, wrong: string][] = [
    ["cheap", " must be an object"],
    ["", " must be an object"],
    ["[free]", " must be an object"],
    ["{}", ".charge exactly one field is required in oneof"],
    ["{ free: true }", ".free must be an object"],
    ["{ perpetual: 5 }", ".perpetual is no field of points.v1.Price"],
    [
      "{ fixed: 5, quantity: { points: 1 } }",
      ".charge takes one of free, fixed, quantity, duration, metered",
    ],
    ["{ service: it, fixed: 1 }", ".service must be left out: the key names the service"],
    ["{ fixed: -1 }", `.fixed.points ${least(0)}`],
    ["{ fixed: 1.5 }", ".fixed.points must be a whole number"],
    ["{ fixed: }", ".charge exactly one field is required in oneof"],
    ["{ fixed: x }", ".fixed.points must be a whole number, in decimal digits"],
    ["{ fixed: 1000000000001 }", `.fixed.points ${least(0)}`],
    [
      "{ fixed: 18446744073709551621 }",
      ".fixed.points must be from -9223372036854775808 to 9223372036854775807",
    ],
    ["{ quantity: 5 }", ".quantity must be an object"],
    ["{ quantity: { minimum: 1 } }", `.quantity.points ${least(1)}`],
    ["{ quantity: { points: 1, minimum: -1 } }", `.quantity.minimum ${least(0)}`],
    ["{ quantity: { points: 1, maximum: 0 } }", `.quantity.maximum ${least(1)}`],
    [
      "{ quantity: { points: 1, unit: 1s } }",
      ".quantity.unit is no field of points.v1.QuantityPrice",
    ],
    [
      "{ quantity: { points: 1, minimum: 3, maximum: 2 } }",
      ".quantity.minimum must not pass the maximum",
    ],
    ["{ duration: { points: 1 } }", ".duration.unit value is required"],
    [
      "{ duration: { points: 1, unit: 1m } }",
      ".duration.unit must be seconds such as 90s or 0.25s",
    ],
    [
      "{ duration: { points: 1, unit: 0s } }",
      ".duration.unit must be greater than or equal to 0.001s and less than or equal to 31622400s",
    ],
    [metered(""), ".metered.meters must contain at least 1 item(s)"],
    [
      metered("{ points: 1, of: a }, { points: 1, of: b }, { points: 2, of: a }"),
      ".metered.meters[2].of is that of meters[0]",
    ],
    [metered("{ points: 1, per: 0, of: a }"), `.metered.meters[0].per ${least(1)}`],
    [metered("{ points: 1 }"), `.metered.meters[0].of ${name}`],
    [metered("{ points: 1, of: duration }"), ".metered.meters[0].unit is missing, such as 1s"],
    [
      metered("{ points: 1, of: a, unit: 1s }"),
      ".metered.meters[0].unit must be left out: only duration has a unit",
    ],
    [rows("{ factor: 1/2 }"), ".rows[0].when map must be at least 1 entries"],
    [rows("{ when: { a: b } }"), ".rows[0] changes nothing: it has no charge and no factor"],
    [rows("{ when: { a: 5 }, factor: 1/2 }"), '.rows[0].when["a"] must be a string'],
    [rows("{ when: { a: b }, factor: 1/0 }"), `.rows[0].factor ${fraction}`],
    [rows("{ when: { a: b }, factor: half }"), `.rows[0].factor ${fraction}`],
    [rows("{ when: { a: b }, factor: 0.5 }"), ".rows[0].factor must be a string"],
    [
      rows("{ when: { a: b }, fixed: 2 }, { when: { c: d }, factor: 1/2 }"),
      ".rows[1] ties with rows[0]: a use may match both",
    ],
    [rows("{ when: { a: b }, price: 2 }"), ".rows[0].price is no field of points.v1.PriceRow"],
  ];
  test.each(prices)("it: %s", (price, wrong) => {
    expect(mistakesIn(listOf(`it: ${price}`))).toEqual([`services["it"]${wrong}`]);
  });

  const version = "version does not match regex pattern `^[!-~]{1,64}$`";
  const noServices = "services map must be at least 1 entries";
  const lists: [title: string, text: string, wrong: string[]][] = [
    ["no version", "services: { it: free }", [version]],
    [
      "a version that is a number",
      "version: 1\nservices: { it: free }",
      ["version must be a string"],
    ],
    ["a version with a space", 'version: "a b"\nservices: { it: free }', [version]],
    ["no services", 'version: "v1"', [noServices]],
    ["a list of services", 'version: "v1"\nservices: [it]', ["services must be an object"]],
    ["an empty file", "", [version, noServices]],
    ["a sentence", "hello there", [version, noServices]],
    [
      "a word that is not part of it",
      'version: "v1"\nservice: { it: free }\nservices: { it: free }',
      ["service is no field of points.v1.PriceList"],
    ],
    ["a service with a space in its name", listOf("a b: free"), [`services["a b"] ${name}`]],
    [
      "a day that does not exist",
      "version: v\nfrom: 2026-02-31T00:00:00Z\nservices: { it: free }",
      ["from must be a time such as 2030-01-31T12:00:00Z"],
    ],
    ["no lists", "lists: []", ["lists must contain at least 1 item(s)"]],
    ["lists and a list", "lists: []\nversion: a", ["version is no field of points.v1.PriceLists"]],
    [
      "a second list without an instant",
      twoLists("{ version: b, services: { it: free } }"),
      ["lists[1].from is missing: only the first list may lack it"],
    ],
    [
      "instants that are not in order",
      `lists:\n  - { version: a, from: ${NEW_YEAR}, services: { it: free } }\n` +
        `  - { version: b, from: ${NEW_YEAR}, services: { it: free } }\n`,
      ["lists[1].from must be later than that of the list before"],
    ],
    [
      "two lists of one version",
      twoLists(`{ version: a, from: ${NEW_YEAR}, services: { it: free } }`),
      ["lists[1].version is that of lists[0], and entries record it"],
    ],
    [
      "several at once",
      listOf("a: { fixed: -1 }\n  b: { duration: { points: 1 } }"),
      [`services["a"].fixed.points ${least(0)}`, 'services["b"].duration.unit value is required'],
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
    await until("it says so", () => server.stderr().includes('"versions":["v2"]'));

    const broken = [
      [
        'version: "v3"\nservices: { it: { fixed: 7.5 } }',
        'services[\\"it\\"].fixed.points must be a whole number',
      ],
      ["version: {", "is not YAML"],
      ["", "version does not match"],
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
    await writeFile(file, listOf("a: { fixed: -1 }\n  b: {}"));
    const database = await testDatabase();
    onTestFinished(() => database.close());
    const { code, stderr } = await runPoints({ DATABASE_URL: database.url, PRICES: file }).exit;
    expect(code).toBe(1);
    expect(stderr).toBe(
      `points: ${file}: services["a"].fixed.points must be greater than or equal to 0 and less ` +
        'than or equal to 1000000000000; services["b"].charge exactly one field is required in ' +
        "oneof\n",
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

const NEW_YEAR = "2026-01-01T00:00:00Z";

function twoLists(second: string): string {
  return `lists:\n  - { version: a, services: { it: free } }\n  - ${second}\n`;
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
