import { createHash } from "node:crypto";
import { parse } from "yaml";
import { readText } from "../config/reload.ts";
import { asMap } from "../config/yaml-map.ts";
import { UserError } from "../errors/user-error.ts";
import {
  type Caller,
  isCallerName,
  isUserIdPrefix,
  maxPointsOf,
  SCOPES,
  type Scope,
} from "./caller.ts";

/** A caller with their credentials. */
export type KnownCaller = {
  readonly caller: Caller;
  /** SHA-256 of tokens, 32 bytes each. */
  readonly tokenDigests: readonly Buffer[];
  /** The name in the client certificate. */
  readonly certificate: string | undefined;
};

/**
 * Reads the YAML file of callers, and checks all of it:
 *
 *     callers:
 *       billing:
 *         token_sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
 *         scopes: [points.spend, points.grant]
 *       reports:
 *         certificate: reports.internal
 *         scopes: [points.read]
 *         user_id_prefix: eu-
 *         max_points: 10000
 *
 * `token_sha256` may be a list, so that a token can be replaced. `token` is the token itself.
 *
 * @throws {UserError} that names every mistake, and contains no token
 */
export function readCallers(path: string): readonly KnownCaller[] {
  let file: unknown;
  try {
    file = parse(readText(path));
  } catch (cause) {
    // The parser's message quotes the line, which may contain a token.
    const why = cause instanceof Error && "code" in cause ? `: ${String(cause.code)}` : "";
    throw new UserError(`the file of callers ${path} cannot be read${why}`);
  }
  const wrong: string[] = [];
  const { callers, ...rest } = asMap(file);
  for (const key of Object.keys(rest)) wrong.push(`${key} is not part of it`);
  const entries = Object.entries(asMap(callers));
  if (entries.length === 0) wrong.push("callers must name at least one caller");
  const known = entries.map(([name, value]) => {
    if (!isCallerName(name)) wrong.push(`callers.${name} is no name for a caller`);
    const complain = (what: string) => wrong.push(`callers.${name}${what}`);
    return toCaller(name, asMap(value), complain);
  });
  const digests = known.flatMap(({ tokenDigests }) =>
    tokenDigests.map((one) => one.toString("hex")),
  );
  if (new Set(digests).size < digests.length) wrong.push("two callers have the same token");
  const names = known.flatMap(({ certificate }) => certificate?.toLowerCase() ?? []);
  if (new Set(names).size < names.length) wrong.push("two callers have the same certificate");
  if (wrong.length > 0) throw new UserError(`${path}: ${wrong.join("; ")}`);
  return known;
}

const FIELDS = new Set([
  "token",
  "token_sha256",
  "certificate",
  "scopes",
  "user_id_prefix",
  "max_points",
]);

type Complain = (what: string) => void;

function toCaller(name: string, fields: ReturnType<typeof asMap>, complain: Complain): KnownCaller {
  const { token, token_sha256: digests, certificate, scopes } = fields;
  const { user_id_prefix: prefix = "", max_points: limit } = fields;
  const maxPoints = maxPointsOf(limit);
  for (const key of Object.keys(fields)) {
    if (!FIELDS.has(key)) complain(`.${key} is not part of a caller`);
  }
  if (token === undefined && digests === undefined && certificate === undefined) {
    complain(" must have a token, a token_sha256 or a certificate");
  }
  if (token !== undefined && !isText(token, /^[\w.~+/-]{16,512}=*$/)) {
    complain(".token must be 16 to 512 of A-Z a-z 0-9 - . _ ~ + /");
  }
  const listed = digests === undefined ? [] : Array.isArray(digests) ? digests : [digests];
  if (!listed.every((digest) => isText(digest, /^[0-9a-f]{64}$/i))) {
    complain(".token_sha256 must be 64 hexadecimal digits, or a list of such, in quotes");
  }
  if (certificate !== undefined && !isText(certificate, /^[A-Za-z0-9][\w.-]{0,252}$/)) {
    complain(".certificate must be the name in a certificate");
  }
  if (!isScopes(scopes)) complain(`.scopes must be a list of ${SCOPES.join(", ")}`);
  if (typeof prefix !== "string" || !isUserIdPrefix(prefix)) {
    complain(".user_id_prefix must be the beginning of user ids");
  }
  if (limit !== undefined && maxPoints === undefined) {
    complain(".max_points must be how many points an operation may move, a whole number above 0");
  }
  const granted = isScopes(scopes) ? scopes : [];
  return {
    caller: { name, scopes: granted, userIdPrefix: String(prefix), maxPoints },
    tokenDigests: [
      ...listed.map((digest) => Buffer.from(String(digest), "hex")),
      ...(typeof token === "string" ? [createHash("sha256").update(token).digest()] : []),
    ],
    certificate: typeof certificate === "string" ? certificate : undefined,
  };
}

function isScopes(value: unknown): value is readonly Scope[] {
  const known: readonly unknown[] = SCOPES;
  return Array.isArray(value) && value.length > 0 && value.every((one) => known.includes(one));
}

function isText(value: unknown, pattern: RegExp): value is string {
  return typeof value === "string" && pattern.test(value);
}
