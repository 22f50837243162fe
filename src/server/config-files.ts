import type { Logger } from "pino";
import { readCallers } from "../auth/callers-file.ts";
import { isKeysUrl, readKeys } from "../auth/jwt.ts";
import type { Config } from "../config/environment.ts";
import { readPrices, SHIPPED_PRICES } from "../config/price-file.ts";
import { reloadOnChange, reloadOnHangup, type Texts, textsReadBy } from "../config/reload.ts";
import { readTls } from "../transport/tls.ts";

/** The files that a configuration names, as they were when nothing was wrong with them. */
export type Files = {
  readonly inForce: () => Texts;
  /** Calls back when others are in force. */
  readonly onChange: (tell: (inForce: Texts) => void) => void;
  readonly close: () => void;
};

/**
 * Reads and checks the files for other processes: again at SIGHUP, and the keys of TLS and of JWTs
 * when they change. What cannot be used is refused, and what was read before stays in force.
 *
 * @throws {UserError} if one cannot be used from the beginning
 */
export function openFiles(config: Config, log: Logger): Files {
  const { prices = SHIPPED_PRICES, callers, jwtKeys } = config;
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
