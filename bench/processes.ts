import { readdirSync, readFileSync } from "node:fs";

// CPU time and memory of processes, read from Linux's /proc; unknown on other systems.

/** CPU time in microseconds of a process and its descendants; undefined if unknown. */
export function cpuMicrosOf(pid: number): number | undefined {
  // A parent keeps the sum of its ended children. A child that ends after its parent is read and
  // before it is read itself would be missed: so it reads until no process ended in between.
  let before = familyOf(pid, processTable());
  for (;;) {
    const family = familyOf(pid, processTable());
    if (family.length === 0) return undefined;
    const pids = new Set(family.map((one) => one.pid));
    if (before.every((one) => pids.has(one.pid))) {
      const ticks = family.reduce((sum, one) => sum + one.ticks + one.endedTicks, 0);
      return ticks * MICROS_PER_TICK;
    }
    before = family;
  }
}

/** CPU time in microseconds of this process's ended children. */
export function cpuMicrosOfEndedChildren(): number | undefined {
  const self = processTable().get(process.pid);
  return self === undefined ? undefined : self.endedTicks * MICROS_PER_TICK;
}

/** RSS in bytes of a process and its descendants; undefined if unknown. */
export function rssBytesOf(pid: number): number | undefined {
  const family = familyOf(pid, processTable());
  if (family.length === 0) return undefined;
  return family.reduce((sum, { rssPages }) => sum + rssPages * PAGE_BYTES, 0);
}

/** Linux reports CPU time in hundredths of a second on every machine. */
const MICROS_PER_TICK = 10_000;
const PAGE_BYTES = 4096;

type Process = {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
  readonly endedTicks: number;
  readonly rssPages: number;
};

function processTable(): Map<number, Process> {
  let names: string[] = [];
  try {
    names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    // Not Linux.
  }
  const processes = names.map(readProcess).filter((one) => one !== undefined);
  return new Map(processes.map((one) => [one.pid, one]));
}

function readProcess(name: string): Process | undefined {
  try {
    const text = readFileSync(`/proc/${name}/stat`, "latin1");
    // The second field, the program's name, may contain any characters.
    const fields = text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    return {
      pid: Number(name),
      parent: fields[1]!,
      ticks: fields[11]! + fields[12]!,
      endedTicks: fields[13]! + fields[14]!,
      rssPages: fields[21]!,
    };
  } catch {
    return undefined; // The process has just ended.
  }
}

/** A process and its descendants; empty if it does not exist. */
function familyOf(pid: number, all: ReadonlyMap<number, Process>): Process[] {
  const children = Map.groupBy(all.values(), ({ parent }) => parent);
  const family: Process[] = [];
  const add = (one: Process) => {
    family.push(one);
    children.get(one.pid)?.forEach(add);
  };
  const eldest = all.get(pid);
  if (eldest !== undefined) add(eldest);
  return family;
}
