import type { Logger } from "pino";
import type { Submit } from "../commit/group-commit.ts";
import type { Repeated } from "../commit/repeat.ts";
import { startSweeper } from "../commit/sweep.ts";
import type { Config } from "../config/environment.ts";
import { startOverview } from "../projection/overview.ts";
import { startProjector } from "../projection/projector.ts";
import type { Orm } from "../store/driver/orm.ts";
import type { Lagging } from "../store/reads/lagging.ts";

type JobOptions = {
  readonly config: Config;
  readonly log: Logger;
  readonly orm: Orm;
  /** The same, by the pool of reads. */
  readonly reads: Orm;
  readonly submit: Submit;
  /** Where the scan of all accounts reads. */
  readonly laggingSums: Lagging;
};

/** Starts what a server does by itself: the sweeper and, with PROJECT=on, projector and overview. */
export function startJobs({ config, log, orm, reads, submit, laggingSums }: JobOptions): Repeated {
  const { project, searchKeys, sweepSeconds } = config;
  const jobs = [startSweeper(orm, submit, sweepSeconds, log)];
  if (project) {
    jobs.push(startProjector(orm, searchKeys, log));
    jobs.push(startOverview({ orm: reads, read: laggingSums.read, log }));
  }
  return {
    async stop() {
      await Promise.all(jobs.map((job) => job.stop()));
    },
  };
}
