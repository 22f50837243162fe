import { Gauge, type GaugeConfiguration, type Registry } from "prom-client";
import type { Orm } from "../store/driver/orm.ts";
import type { HeldSums } from "../store/reads/overview-text.ts";
import { readHeldSums } from "../store/reads/overview.ts";
import { inTime } from "./in-time.ts";

const HELP_EXACT = "by the last scan; NaN: none yet. A double: exact up to 2^53.";

const GAUGES: readonly [name: string, help: string, value: (sums: HeldSums) => bigint][] = [
  [
    "points_outstanding",
    `Points of all balances and open holds, ${HELP_EXACT}`,
    ({ balance, frozen }) => balance + frozen,
  ],
  ["points_frozen", `Points of all open holds, ${HELP_EXACT}`, ({ frozen }) => frozen],
  ["points_debt", `The debt of all accounts, ${HELP_EXACT}`, ({ debt }) => debt],
  ["points_accounts", `How many accounts there are, ${HELP_EXACT}`, ({ accounts }) => accounts],
];

/** How many weeks from the scan on are summed, by the label that says so. */
const WITHIN = { "7d": 1, "28d": 4 } as const;

/** Gauges of what the last scan over all accounts has found. A scrape reads one row, and scans nothing. */
export function watchOverview(registry: Registry, orm: Orm): void {
  // Every server and worker sees the same row.
  const gauge = <Label extends string>(configuration: GaugeConfiguration<Label>) =>
    new Gauge({ ...configuration, registers: [registry], aggregator: "max" });
  const look = onceAtATime(() => inTime(() => readHeldSums(orm), undefined));
  for (const [name, help, value] of GAUGES) {
    gauge({
      name,
      help,
      async collect() {
        const found = await look();
        this.set(found === undefined ? Number.NaN : Number(value(found.sums)));
      },
    });
  }
  gauge({
    name: "points_expiring",
    help: `Points of balances that expire within 7 or 28 days of the scan, ${HELP_EXACT}`,
    labelNames: ["within"],
    async collect() {
      const found = await look();
      for (const [within, weeks] of Object.entries(WITHIN)) {
        const points = found?.sums.expiring.slice(0, weeks).reduce((all, one) => all + one, 0n);
        this.set({ within }, points === undefined ? Number.NaN : Number(points));
      }
    },
  });
  gauge({
    name: "points_overview_age_seconds",
    help: "Seconds since the last scan of all accounts began; NaN: none yet.",
    async collect() {
      this.set((await look())?.ageSeconds ?? Number.NaN);
    },
  });
}

/** Gives whoever asks while an answer is under way the same. */
function onceAtATime<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => {
    asked ??= ask().finally(() => (asked = undefined));
    return asked;
  };
}
