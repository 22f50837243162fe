import cluster from "node:cluster";
import { UserError } from "../errors/user-error.ts";
import { DatabaseUrlError } from "./database-url.ts";
import { isSafeUrl, type Kind } from "./kinds.ts";
import { type Setting, SETTINGS } from "./settings.ts";

/** The values of all settings, by the names that the code uses. */
export type Config = {
  readonly [Name in keyof typeof SETTINGS]: ValueOf<(typeof SETTINGS)[Name]>;
};

type ValueOf<S extends Setting> =
  S["kind"] extends Kind<infer T>
    ? T | (S extends { default: unknown } ? never : undefined)
    : never;

/** Names every variable that is wrong, and the values that it takes. */
export class ConfigError extends UserError {}

/**
 * Reads the configuration from environment variables. An empty variable counts as unset.
 *
 * @throws {ConfigError}
 */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const wrong: string[] = [];
  const read = (setting: Setting): unknown => {
    const { variable, kind, default: fallback } = setting;
    const text = environment[variable] || fallback?.toString();
    if (text === undefined) return undefined;
    try {
      const value = kind.parse(text, environment);
      if (value === undefined) wrong.push(`${variable}=${text}: takes ${kind.takes}`);
      return value;
    } catch (error) {
      // The text may have a password in it.
      if (!(error instanceof DatabaseUrlError)) throw error;
      wrong.push(`${variable}=…: ${error.message}`);
      return undefined;
    }
  };
  const values = Object.entries(SETTINGS).map(([name, setting]) => [name, read(setting)]);
  const config = Object.fromEntries(values) as Config;
  if (wrong.length === 0) wrong.push(...wrongTogether(config));
  if (wrong.length > 0) throw new ConfigError(wrong.join("\n"));
  return config;
}

/** Some settings mean nothing without others, or with them. */
function wrongTogether(config: Config): string[] {
  const { tlsCert, tlsKey, tlsClientCa, callers, jwtKeys, jwtIssuer, jwtAudience } = config;
  const wrong: string[] = [];
  if (isPartial(tlsCert, tlsKey)) wrong.push("TLS_CERT and TLS_KEY: take each other");
  if (tlsClientCa !== undefined && [tlsCert, tlsKey, callers].includes(undefined)) {
    wrong.push("TLS_CLIENT_CA: takes TLS_CERT, TLS_KEY and CALLERS beside it");
  }
  if (isPartial(jwtKeys, jwtIssuer, jwtAudience)) {
    wrong.push("JWT_KEYS, JWT_ISSUER and JWT_AUDIENCE: take each other");
  }
  if (config.consoleClientId !== undefined && !isSafeUrl(jwtIssuer ?? "")) {
    wrong.push("CONSOLE_CLIENT_ID: takes JWT_ISSUER, an https URL, beside it");
  }
  if (config.readsUrl !== undefined && config.databaseUrl === undefined) {
    wrong.push("READS_URL: takes DATABASE_URL beside it");
  }
  // A worker finds its parent's own PostgreSQL by a DATABASE_URL.
  if (config.testClock && config.databaseUrl !== undefined && !cluster.isWorker) {
    wrong.push(
      "TEST_CLOCK=1: takes no DATABASE_URL, for it is for tests on a PostgreSQL of its own",
    );
  }
  return wrong;
}

function isPartial(...values: readonly unknown[]): boolean {
  return values.includes(undefined) && values.some((value) => value !== undefined);
}

/** The table of all variables for the help: name, purpose, values, default. */
export function describeConfig(): string {
  return Object.values<Setting>(SETTINGS)
    .map(({ variable, about, kind, default: fallback }) => {
      const usually = fallback === undefined ? "" : `, default ${fallback}`;
      return `  ${variable.padEnd(26)} ${about}\n${" ".repeat(29)}(${kind.takes}${usually})`;
    })
    .join("\n");
}
