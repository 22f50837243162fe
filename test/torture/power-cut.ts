import { auditDatabase } from "../support/audit.ts";
import { openRunFolder } from "../support/run-folder.ts";
import { type Disk, makeDisk, NoDisk } from "./deployment/disk.ts";
import { printReport } from "./report.ts";
import { type Report, run, SLICE } from "./run.ts";

// npm run torture:power-cut [seconds]
//
// Power failure test: puts a load on Points, and cuts the power of PostgreSQL's file system again
// and again. Every acknowledged operation must survive. Then it does the same with fsync=off, which
// must fail, to prove that the cuts lose data. Linux only, as root: it mounts a loop device.

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
// If PostgreSQL did not come back, callers still wait for it.
process.exit(durable.checked.findings.length === 0 && isCaught ? 0 : 1);

/** Undefined if this machine supports no such disk; an Error if something did not come back. */
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
