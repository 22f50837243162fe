import { auditDatabase } from "../support/audit.ts";
import { openRunFolder } from "../support/run-folder.ts";
import { type Disk, makeDisk, NoDisk } from "./deployment/disk.ts";
import { printReport } from "./report.ts";
import { type Report, run } from "./run.ts";
import { SLICE } from "./settings.ts";

// npm run torture:power-cut [seconds]
//
// Puts a load on Points whose PostgreSQL is on a file system of its own, and cuts the power of that
// again and again: what was acknowledged must be there. Then the same with fsync=off, which must
// fail, or the cuts are none. Linux alone, as root: it mounts an image on a loop device.

const SECONDS = 30;
const PAUSE_MS = 6_000;

const seconds = Number(process.argv[2] ?? SECONDS);
const seed = Date.now() % 1_000_000;

await openRunFolder();
const durable = await underCuts("on");
if (durable === undefined) process.exit(0);
if (durable instanceof Error) throw durable;
printReport(durable);
const careless = await underCuts("off");
if (careless instanceof Error)
  console.log(`With fsync=off it failed, as it must: ${careless.message}`);
else if (careless !== undefined) {
  const { lost, doubled, mismatch } = careless.checked.wrong;
  console.log(`With fsync=off: ${lost} lost, ${doubled} doubled, ${mismatch} otherwise wrong`);
}
const isCaught = careless instanceof Error || careless!.checked.findings.length > 0;
if (!isCaught) console.log("It had to lose something: these cuts prove nothing.");
// Where PostgreSQL did not come back, callers still wait for it.
process.exit(durable.checked.findings.length === 0 && isCaught ? 0 : 1);

/** Undefined where this machine has no such disk; the Error, where something did not come back. */
async function underCuts(fsync: "on" | "off"): Promise<Report | Error | undefined> {
  let disk: Disk;
  try {
    disk = await makeDisk();
  } catch (error) {
    if (!(error instanceof NoDisk)) throw error;
    console.log(`The power cut is skipped: ${error.message}.`);
    return undefined;
  }
  try {
    return await run({
      ...SLICE,
      seconds,
      seed,
      urls: [],
      caller: "",
      toleranceMs: 0,
      faults: { "power cut": 1 },
      faultPauseMs: PAUSE_MS,
      storage: { disk, settings: { fsync }, hasStandby: false },
      audit: auditDatabase,
      onFault: console.log,
      log: console.log,
    });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    await disk.remove();
  }
}
