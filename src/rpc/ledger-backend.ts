import type { HorizonWatch } from "../feed/watch-horizon.ts";
import type { Orm } from "../store/driver/orm.ts";
import type { Lagging } from "../store/reads/lagging.ts";
import type { ErrorTranslator } from "./interceptors.ts";

/** What LedgerService needs of the server. */
export type LedgerBackend = {
  readonly orm: Orm;
  /** For what may lag: lists and search. */
  readonly laggingLists: Lagging;
  /** The database by a pool of its own: streams do not take the connections of other reads. */
  readonly streams: Orm;
  readonly laggingStreams: Lagging;
  /** By a pool of its own as well: a sum may take seconds. */
  readonly laggingSums: Lagging;
  readonly horizon: HorizonWatch;
  readonly toError: ErrorTranslator;
  readonly answerMaxBytes: number;
  /** Fires when the server stops. */
  readonly stopping: AbortSignal;
};
