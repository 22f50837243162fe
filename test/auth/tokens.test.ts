import { rm, writeFile } from "node:fs/promises";
import { SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { clientWith, tokenOf as tokenOfName, writeCallers } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { readRefusal, refusalOf } from "../support/error-info.ts";
import { forwardClock } from "../support/forward-clock.ts";
import {
  AUDIENCE,
  ISSUER,
  JWT,
  jwkOf,
  jwks,
  type Key,
  makeKey,
  signedToken,
  startIssuer,
  type TokenChange,
  tokenWithClaimTwice,
} from "../support/jwts.ts";
import { WAIT_MS } from "../support/patience.ts";
import { temporaryFolder } from "../support/processes.ts";
import { testServer } from "../support/server.ts";

let database: TestDatabase;
let es256: Key;
let eddsa: Key;
let rs256: Key;
let stranger: Key;
beforeAll(async () => {
  database = await testDatabase();
  [es256, eddsa, rs256, stranger] = await Promise.all([
    makeKey("ES256", "k1"),
    makeKey("EdDSA", "k2"),
    makeKey("RS256", "k3"),
    makeKey("ES256", "k1"),
  ]);
});
afterAll(() => database.close());

function tokenOf({ key = es256, ...change }: TokenChange & { readonly key?: Key } = {}) {
  return signedToken(key, change);
}

async function serverWith(place: string) {
  const server = await testServer({ ...JWT, JWT_KEYS: place }, database);
  onTestFinished(() => server.stop());
  return server;
}

async function fileOfKeys(...keys: Key[]): Promise<string> {
  const path = `${await temporaryFolder()}/keys.json`;
  await writeFile(path, await jwks(...keys));
  return path;
}

describe("a JWT", () => {
  test.each([
    ["of ES256", async () => tokenOf()],
    ["of EdDSA", async () => tokenOf({ key: eddsa })],
    ["of RS256", async () => tokenOf({ key: rs256 })],
    [
      "with a list of scopes, as Okta has it",
      async () => tokenOf({ claims: { scope: undefined, scp: ["openid", "points.read"] } }),
    ],
    [
      "with scopes by Entra's name",
      async () => tokenOf({ claims: { scope: undefined, scp: "points.read" } }),
    ],
    ["of RFC 9068's type", async () => tokenOf({ header: { typ: "at+jwt" } })],
    ["for several audiences", async () => tokenOf({ claims: { aud: ["others", AUDIENCE] } })],
    [
      "with scopes that are not ours",
      async () => tokenOf({ claims: { scope: "openid points.read" } }),
    ],
    ["that expired just now, as clocks differ", async () => tokenOf({ expires: -2 })],
  ])("%s is taken", async (_, make) => {
    const { baseUrl } = await serverWith(await fileOfKeys(es256, eddsa, rs256));
    const client = clientWith(baseUrl, await make());
    await client.getPriceList({});
    await client.getPriceList({});
  });

  test.each<[string, RegExp, () => Promise<string>]>([
    ["of a key that is not known", /not valid/, async () => tokenOf({ key: stranger })],
    [
      "of a name for a key that is not known",
      /not valid/,
      async () => tokenOf({ header: { kid: "k9" } }),
    ],
    ["that has expired", /expired/, async () => tokenOf({ expires: -60 })],
    ["that is not valid yet", /not valid/, async () => tokenOf({ claims: { nbf: Date.now() } })],
    ["that never expires", /not valid/, async () => tokenOf({ claims: { exp: undefined } })],
    ["for another audience", /not valid/, async () => tokenOf({ claims: { aud: "others" } })],
    ["for no audience", /not valid/, async () => tokenOf({ claims: { aud: undefined } })],
    ["of another issuer", /not valid/, async () => tokenOf({ claims: { iss: `${ISSUER}/` } })],
    ["of no issuer", /not valid/, async () => tokenOf({ claims: { iss: undefined } })],
    ["of nobody", /not valid/, async () => tokenOf({ claims: { sub: undefined } })],
    ["of an empty name", /names no caller/, async () => tokenOf({ claims: { sub: "" } })],
    ["of a name with a space", /names no caller/, async () => tokenOf({ claims: { sub: "a b" } })],
    [
      "of a number",
      /not valid|names no caller/,
      async () => tokenOf({ claims: { sub: 7 as unknown as string } }),
    ],
    [
      "with a prefix that is a list",
      /user_id_prefix/,
      async () => tokenOf({ claims: { user_id_prefix: ["eu-"] } }),
    ],
    [
      "with a max_points that is a text",
      /max_points/,
      async () => tokenOf({ claims: { max_points: "10" } }),
    ],
    [
      "that tells an application who has signed in",
      /no access token/,
      async () => tokenOf({ claims: { nonce: "n-0S6" } }),
    ],
    [
      "that says that it is such a one",
      /no access token/,
      async () => tokenOf({ claims: { token_use: "id" } }),
    ],
    ["of another type", /no access token/, async () => tokenOf({ header: { typ: "logout+jwt" } })],
    ["with a claim twice", /a claim twice/, async () => tokenWithClaimTwice(es256)],
    [
      "that is critical of what we know not",
      /not valid/,
      async () => {
        const token = await tokenOf();
        const header = { alg: "ES256", kid: "k1", crit: ["exp"], exp: 1 };
        return [
          Buffer.from(JSON.stringify(header)).toString("base64url"),
          ...token.split(".").slice(1),
        ].join(".");
      },
    ],
    [
      "without a signature",
      /not valid/,
      async () => {
        const exp = Math.floor(Date.now() / 1000) + 60;
        return new UnsecuredJWT({ sub: "billing", iss: ISSUER, aud: AUDIENCE, exp }).encode();
      },
    ],
    [
      "whose signature is cut off",
      /not valid/,
      async () => (await tokenOf()).replace(/[^.]+$/, "AA"),
    ],
    [
      "whose content was changed",
      /not valid/,
      async () => {
        const [head, , signature] = (await tokenOf()).split(".");
        const claims = { sub: "root", iss: ISSUER, aud: AUDIENCE, exp: 4e9, scope: "points.grant" };
        return [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(
          ".",
        );
      },
    ],
    [
      "that is signed with the public key as a secret",
      /not valid/,
      async () => {
        const secret = new TextEncoder().encode(JSON.stringify(await jwkOf(es256)));
        const exp = Math.floor(Date.now() / 1000) + 60;
        return new SignJWT({ sub: "billing", iss: ISSUER, aud: AUDIENCE, exp })
          .setProtectedHeader({ alg: "HS256", kid: "k1" })
          .sign(secret);
      },
    ],
    [
      "of another algorithm",
      /not valid/,
      async () => tokenOf({ key: await makeKey("ES384", "k1") }),
    ],
    ["that is none", /not valid/, async () => "a.b.c"],
  ])("%s is refused", async (_, message, make) => {
    const { baseUrl } = await serverWith(await fileOfKeys(es256, eddsa));
    const refusal = await refusalOf(clientWith(baseUrl, await make()).getPriceList({}));
    expect(refusal).toMatchObject({ code: "Unauthenticated", reason: "UNAUTHENTICATED" });
    expect(refusal.message).toMatch(message);
  });

  test("gives its scopes, its prefix, and its subject as the caller's name", async () => {
    const { baseUrl } = await serverWith(await fileOfKeys(es256));
    const claims = { sub: "auth0|web", scope: "points.grant", user_id_prefix: "eu-" };
    const client = clientWith(baseUrl, await tokenOf({ claims }));
    const { entry } = await client.recharge({ userId: "eu-ada", points: 5n });
    expect(entry?.caller).toBe("auth0|web");
    for (const call of [client.getPriceList({}), client.recharge({ userId: "ada", points: 5n })]) {
      expect((await refusalOf(call)).code).toBe("PermissionDenied");
    }
  });

  test("without a scope that is ours still hears who its caller is", async () => {
    const { baseUrl } = await serverWith(await fileOfKeys(es256));
    const claims = { scope: "point.read", user_id_prefix: "eu-" };
    const client = clientWith(baseUrl, await tokenOf({ claims }));
    expect((await refusalOf(client.getPriceList({}))).code).toBe("PermissionDenied");
    const { caller } = await client.getLedger({});
    expect(caller).toMatchObject({ name: "billing", scopes: [], userIdPrefix: "eu-" });
  });

  test("that names a caller of the file is not taken for that caller", async () => {
    const folder = await temporaryFolder();
    const { CALLERS } = await writeCallers(folder, { billing: { scopes: ["points.read"] } });
    const JWT_KEYS = await fileOfKeys(es256);
    const server = await testServer({ ...JWT, JWT_KEYS, CALLERS }, database);
    onTestFinished(() => server.stop());
    const refusal = await refusalOf(clientWith(server.baseUrl, await tokenOf()).getPriceList({}));
    expect(refusal).toMatchObject({ code: "Unauthenticated", reason: "UNAUTHENTICATED" });
    expect(refusal.message).toMatch(/names a caller of the file/);
    await clientWith(server.baseUrl, tokenOfName("billing")).getPriceList({});
    await clientWith(server.baseUrl, await tokenOf({ claims: { sub: "shop" } })).getPriceList({});
  });

  test("that was taken is refused once it has expired", async () => {
    const { baseUrl } = await serverWith(await fileOfKeys(es256));
    forwardClock(0); // From here on it stands still.
    const client = clientWith(baseUrl, await tokenOf({ expires: 600 }));
    await client.getPriceList({});
    forwardClock(604_000);
    await client.getPriceList({});
    forwardClock(2_000);
    expect((await refusalOf(client.getPriceList({}))).message).toMatch(/expired/);
  });
});

describe("keys in a file", () => {
  test("are read again when it changes, and a broken file changes nothing", async () => {
    const path = await fileOfKeys(es256);
    const { baseUrl } = await serverWith(path);
    const [old, next] = [
      clientWith(baseUrl, await tokenOf()),
      clientWith(baseUrl, await tokenOf({ key: eddsa })),
    ];
    await old.getPriceList({});
    await writeFile(path, "{");
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await old.getPriceList({});
    await writeFile(path, await jwks(eddsa));
    await vi.waitFor(() => next.getPriceList({}), WAIT_MS);
    // It was accepted before.
    expect((await refusalOf(old.getPriceList({}))).reason).toBe("UNAUTHENTICATED");
  });

  test("that is none keep the server from starting", async () => {
    const path = await fileOfKeys();
    for (const text of ["", "{}", '{"keys": 1}', "[]"]) {
      await writeFile(path, text);
      await expect(serverWith(path)).rejects.toThrow(/JWT_KEYS: .* is no file of keys/);
    }
    await rm(path);
    await expect(serverWith(path)).rejects.toThrow(/JWT_KEYS/);
  });
});

describe("keys at a URL", () => {
  test("are fetched once, when the first token comes", async () => {
    const id = await startIssuer(es256, eddsa);
    const { baseUrl } = await serverWith(id.url);
    expect(id.asked).toBe(0);
    for (const key of [es256, eddsa]) {
      await clientWith(baseUrl, await tokenOf({ key })).getPriceList({});
    }
    const unknown = clientWith(baseUrl, await tokenOf({ header: { kid: "k9" } }));
    expect((await refusalOf(unknown.getPriceList({}))).reason).toBe("UNAUTHENTICATED");
    expect(id.asked).toBe(1);
  });

  test("are fetched again after a minute: one that was withdrawn is out", async () => {
    const id = await startIssuer(es256, eddsa);
    const { baseUrl } = await serverWith(id.url);
    const [old, next] = [
      clientWith(baseUrl, await tokenOf({ expires: 3_600 })),
      clientWith(baseUrl, await tokenOf({ key: eddsa, expires: 3_600 })),
    ];
    await old.getPriceList({});
    id.keys = await jwks(eddsa);
    await old.getPriceList({});
    forwardClock(60_000);
    expect((await refusalOf(old.getPriceList({}))).reason).toBe("UNAUTHENTICATED");
    await next.getPriceList({});
    expect(id.asked).toBe(2);
  });

  test("stay in force for ten minutes while they cannot be fetched again", async () => {
    const id = await startIssuer(es256);
    const { baseUrl } = await serverWith(id.url);
    const client = clientWith(baseUrl, await tokenOf({ expires: 3_600 }));
    await client.getPriceList({});
    id.keys = "";
    for (let n = 0; n < 2; n += 1) {
      forwardClock(60_000);
      await client.getPriceList({});
      await client.getPriceList({});
      // The issuer is not asked at each call.
      expect(id.asked).toBe(2 + n);
    }
    const unknown = clientWith(baseUrl, await tokenOf({ header: { kid: "k9" } }));
    expect((await refusalOf(unknown.getPriceList({}))).reason).toBe("UNAUTHENTICATED");
    forwardClock(480_000);
    expect((await refusalOf(client.getPriceList({}))).reason).toBe("KEYS_UNAVAILABLE");
    id.keys = await jwks(es256);
    await client.getPriceList({});
  });

  test("that cannot be fetched make a call UNAVAILABLE, and not its token invalid", async () => {
    const id = await startIssuer(es256);
    const keys = id.keys;
    id.keys = "";
    const { baseUrl } = await serverWith(id.url);
    const client = clientWith(baseUrl, await tokenOf());
    const refusal = await refusalOf(client.getPriceList({}));
    expect(refusal).toMatchObject({
      code: "Unavailable",
      reason: "KEYS_UNAVAILABLE",
      retryMs: 1_000,
    });
    id.keys = "no JSON";
    expect((await refusalOf(client.getPriceList({}))).reason).toBe("KEYS_UNAVAILABLE");
    id.keys = keys;
    await client.getPriceList({});
  });
});

test("no answer says more of a token than that it is not valid", async () => {
  const { baseUrl } = await serverWith(await fileOfKeys(es256));
  const token = await tokenOf({ key: stranger });
  const [result] = await Promise.allSettled([clientWith(baseUrl, token).getPriceList({})]);
  const { reason } = result as PromiseRejectedResult;
  expect(readRefusal(reason)).toMatchObject({ message: "the token is not valid", metadata: {} });
});
