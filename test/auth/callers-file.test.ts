import { writeFile } from "node:fs/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { readCallers } from "../../src/auth/callers-file.ts";
import { digestOf } from "../support/callers.ts";
import { temporaryFolder } from "../support/processes.ts";

let path: string;
beforeEach(async () => {
  path = `${await temporaryFolder()}/callers.yaml`;
});

async function read(text: string) {
  await writeFile(path, text);
  return readCallers(path);
}

test("a file of callers is read", async () => {
  const callers = await read(`callers:
  billing:
    token_sha256: "${digestOf("billing")}"
    scopes: [points.spend, points.grant]
  webhook:
    token_sha256: ["${digestOf("old")}", "${digestOf("new")}"]
    scopes: [points.grant]
    user_id_prefix: eu-
  reports:
    certificate: reports.internal
    token: 0123456789abcdef
    scopes: [points.read]
`);
  expect(callers.map(({ caller }) => caller)).toEqual([
    { name: "billing", scopes: ["points.spend", "points.grant"], userIdPrefix: "" },
    { name: "webhook", scopes: ["points.grant"], userIdPrefix: "eu-" },
    { name: "reports", scopes: ["points.read"], userIdPrefix: "" },
  ]);
  expect(callers.map((one) => one.tokenDigests.map((digest) => digest.toString("hex")))).toEqual([
    [digestOf("billing")],
    [digestOf("old"), digestOf("new")],
    ["9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f"],
  ]);
  expect(callers.map(({ certificate }) => certificate)).toEqual([
    undefined,
    undefined,
    "reports.internal",
  ]);
});

const SCOPES = "scopes: [points.read]";
const TOKEN = `token_sha256: "${digestOf("a")}"`;

describe("a file of callers is refused that", () => {
  test.each([
    ["is not there", undefined, /cannot be read/],
    ["is empty", "", /callers must name at least one caller/],
    ["is a list", "- a", /callers must name at least one caller/],
    ["names nobody", "callers: {}", /callers must name at least one caller/],
    [
      "has more in it",
      `callers: {a: {${TOKEN}, ${SCOPES}}}\ntokens: 1`,
      /tokens is not part of it/,
    ],
    ["names somebody twice", `callers: {a: {${TOKEN}, ${SCOPES}}, a: {}}`, /cannot be read/],
    ["has a name with a space", `callers: {a b: {${TOKEN}, ${SCOPES}}}`, /a b is no name/],
    ["has a name that is too long", `callers: {${"a".repeat(129)}: {}}`, /is no name/],
    [
      "has a caller without anything to know them by",
      `callers: {a: {${SCOPES}}}`,
      /must have a token/,
    ],
    ["has a token that is short", `callers: {a: {token: short, ${SCOPES}}}`, /token must be 16/],
    [
      "has a token with a space",
      `callers: {a: {token: a b c d e f g h i j, ${SCOPES}}}`,
      /token must be 16/,
    ],
    ["has a digest that is cut", `callers: {a: {token_sha256: abc, ${SCOPES}}}`, /64 hexadecimal/],
    [
      "has a digest that YAML takes for a number",
      `callers: {a: {token_sha256: ${"1".repeat(64)}, ${SCOPES}}}`,
      /in quotes/,
    ],
    ["has no scopes", `callers: {a: {${TOKEN}}}`, /scopes must be a list/],
    [
      "has an empty list of scopes",
      `callers: {a: {${TOKEN}, scopes: []}}`,
      /scopes must be a list/,
    ],
    [
      "has a scope of no meaning",
      `callers: {a: {${TOKEN}, scopes: [points.admin]}}`,
      /scopes must be a list/,
    ],
    [
      "has a scope that is no list",
      `callers: {a: {${TOKEN}, scopes: points.read}}`,
      /scopes must be a list/,
    ],
    [
      "has a misspelt field",
      `callers: {a: {${TOKEN}, ${SCOPES}, prefix: eu-}}`,
      /prefix is not part/,
    ],
    [
      "has a prefix with a space",
      `callers: {a: {${TOKEN}, ${SCOPES}, user_id_prefix: "a b"}}`,
      /user_id_prefix/,
    ],
    [
      "has a prefix that is a number",
      `callers: {a: {${TOKEN}, ${SCOPES}, user_id_prefix: 7}}`,
      /user_id_prefix/,
    ],
    [
      "has a certificate of all names below one",
      `callers: {a: {certificate: .internal, ${SCOPES}}}`,
      /certificate must be/,
    ],
    [
      "has a certificate with a wildcard",
      `callers: {a: {certificate: "*.internal", ${SCOPES}}}`,
      /certificate must be/,
    ],
    [
      "has a token twice",
      `callers: {a: {${TOKEN}, ${SCOPES}}, b: {${TOKEN}, ${SCOPES}}}`,
      /same token/,
    ],
    [
      "has a certificate twice",
      `callers: {a: {certificate: x, ${SCOPES}}, b: {certificate: X, ${SCOPES}}}`,
      /same certificate/,
    ],
  ])("%s", async (_, text, message) => {
    const reading = text === undefined ? async () => readCallers(path) : () => read(text);
    await expect(reading()).rejects.toThrow(message);
  });
});

test("no error contains a token", async () => {
  const texts = [
    'callers: {a: {token: "secret secret secret"}}',
    "callers: {a: {token: secretsecretsecret, token: secretsecretsecret}}",
    "callers:\n  a:\n   token: secretsecretsecret\n  - b",
    "callers: {a: {token_sha256: secretsecretsecret}}",
  ];
  for (const text of texts) {
    const error = await read(text).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    const { message, stack, cause } = error as Error;
    expect(`${message} ${stack} ${String(cause)}`).not.toContain("secret");
  }
});
