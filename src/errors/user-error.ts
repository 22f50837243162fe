import { faultOf } from "./database-fault.ts";

/** An error that the operator can fix. It is printed as a sentence, without a stack. */
export class UserError extends Error {}

/**
 * Rethrows an error of the database: as a UserError with advice if the database is away or refuses
 * us, else unchanged, for it is a bug.
 *
 * @throws {UserError}
 */
export function unusable(cause: unknown): never {
  if (!(cause instanceof Error) || cause instanceof UserError) throw cause;
  const advice = chainOf(cause)
    .map(adviceOn)
    .findLast((text) => text !== undefined);
  if (advice === undefined && faultOf(cause) === "bug") throw cause;
  // The ORM appends PostgreSQL's details as further lines.
  const [message] = cause.message.split("\n");
  throw new UserError(
    `cannot use the database: ${message}${advice === undefined ? "" : `: ${advice}`}`,
  );
}

/** An error and its causes. */
function chainOf(error: Error): Error[] {
  return error.cause instanceof Error ? [error, ...chainOf(error.cause)] : [error];
}

/** Advice on an error of PostgreSQL, Node's TLS or a pooler; undefined: its message is enough. */
function adviceOn(error: Error): string | undefined {
  const code = "code" in error ? String(error.code) : "";
  return ADVICE[code] ?? ADVICE_BY_MESSAGE.find(([pattern]) => pattern.test(error.message))?.[1];
}

const ADVICE: Readonly<Record<string, string>> = {
  "28P01": "see to the user and the password in DATABASE_URL",
  "28000": "let the user in by pg_hba.conf, or see to the user and sslmode in DATABASE_URL",
  "3D000": "create it, or see to the name in DATABASE_URL",
  "42501": "run it as the tables' owner, or grant it to this role",
  "53300": "raise max_connections or the role's limit, or lower LANES and WORKERS",
  "57P03": "try again when it has started",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "name the host in DATABASE_URL as its certificate does, or see who answers there",
  CERT_HAS_EXPIRED: "renew the database's certificate",
};

const ADVICE_BY_MESSAGE: readonly (readonly [RegExp, string])[] = [
  [/does not support SSL/, "turn ssl on in PostgreSQL, or take sslmode=disable"],
  [
    /self-signed certificate|unable to (get|verify)|certificate signature failure/,
    "name the file with the authority that signed the database's certificate in sslrootcert",
  ],
  [/unsupported startup parameter/, "take what is named there out of DATABASE_URL's options"],
];
