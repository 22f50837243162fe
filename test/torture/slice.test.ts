import { expect, test } from "vitest";
import { auditDatabase } from "../support/audit.ts";
import { LONG_MS } from "../support/patience.ts";
import { ALL_FAULTS } from "./faults/faults.ts";
import { printReport } from "./report.ts";
import { run, SLICE } from "./run.ts";

test(
  "under faults of every kind no operation is lost, and none is applied twice",
  async () => {
    const report = await run({
      ...SLICE,
      seconds: 20,
      seed: Date.now() % 1_000_000,
      urls: [],
      caller: "",
      toleranceMs: 0,
      faults: ALL_FAULTS,
      storage: { disk: undefined, settings: {}, hasStandby: true },
      audit: auditDatabase,
      log: console.log,
    });
    printReport(report);
    const { checked, faults, audited } = report;
    expect(checked.findings).toEqual([]);
    expect(faults.size).toBeGreaterThan(3);
    expect(checked.entries).toBeGreaterThan(1_000);
    // Entries that fell due after an account's check were booked since.
    expect(audited).toBeGreaterThanOrEqual(checked.entries);
  },
  LONG_MS,
);
