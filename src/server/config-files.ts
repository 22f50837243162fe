import type { Logger } from "pino";
import { readCallers } from "../auth/callers-file.ts";
import { isKeysUrl, readKeys } from "../auth/jwt.ts";
import type { Config } from "../config/environment.ts";
import { reloadOnChange, reloadOnHangup, type Texts, textsReadBy } from "../config/reload.ts";
import { readFirstPolicies } from "../rpc/policy-file.ts";
import { readPrices, SHIPPED_PRICES } from "../rpc/price-file.ts";
import { readTls } from "../transport/tls.ts";

/** The files that a configuration names, in their last version without a mistake. */
export type ConfigFiles = {
  readonly inForce: () => Texts;
  /** Calls `tell` when other texts are in force. */
  readonly onChange: (tell: (inForce: Texts) => void) => void;
  readonly close: () => void;
};

/**
 * Hot reload for worker processes: reads and checks their files, again at SIGHUP; files of TLS and
 * of JWT keys again when they change. A file that cannot be used is refused, and its text from
 * before stays in force.
 *
 * @throws {UserError} if a file cannot be used at the start
 */
export function openConfigFiles(config: Config, log: Logger): ConfigFiles {
  const { prices = SHIPPED_PRICES, policies, callers, jwtKeys } = config;
  const { tlsCert, tlsKey, tlsClientCa } = config;
  let inForce: Texts = {};
  let tell: (texts: Texts) => void = () => {};
  const closers: (() => void)[] = [];

  const open = (check: () => void) => {
    const read = () => {
      inForce = { ...inForce, ...textsReadBy(check) };
      tell(inForce);
    };
    read();
    return read;
  };
  const onHangup = (what: string, file: string, check: () => void) => {
    closers.push(reloadOnHangup({ files: [file], read: open(check), log, what }));
  };
  const onChange = (what: string, files: readonly (string | undefined)[], check: () => void) => {
    const named = files.filter((file) => file !== undefined);
    closers.push(reloadOnChange({ files: named, read: open(check), log, what }));
  };

  onHangup("prices", prices, () => readPrices(prices));
  if (policies !== undefined) onHangup("policies", policies, () => readFirstPolicies(policies));
  if (callers !== undefined) onHangup("callers", callers, () => readCallers(callers));
  onChange("certificates", [tlsCert, tlsKey, tlsClientCa], () => readTls(config));
  if (jwtKeys !== undefined && !isKeysUrl(jwtKeys)) {
    onChange("keys of JWTs", [jwtKeys], () => readKeys(jwtKeys));
  }
  return {
    inForce: () => inForce,
    onChange: (then) => (tell = then),
    close: () => closers.forEach((close) => close()),
  };
}
