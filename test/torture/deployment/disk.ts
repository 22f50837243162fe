import { execFile } from "node:child_process";
import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "../../support/processes.ts";
import { makeFolder } from "../../support/run-folder.ts";

/** Power failure simulation: a file system in an image, which can lose its power. */
export type Disk = {
  /** The mount point. */
  readonly folder: string;
  /** Cuts the power: unsynced writes are lost, and later reads and writes fail. */
  cut(): Promise<void>;
  /** Mounts it again once no process uses it; the file system recovers from its journal. */
  comeBack(): Promise<void>;
  remove(): Promise<void>;
};

/** This machine does not support such a disk; the message says why. */
export class NoDisk extends Error {}

const SIZE = "2G";

// The kernel's FS_IOC_SHUTDOWN with FS_SHUTDOWN_FLAGS_NOLOGFLUSH: even the file system's journal is
// no longer written. Node has no ioctl; python3 and perl have it.
const SHUTDOWN = 0x80_04_58_7d;
const NO_LOG_FLUSH = 2;
const SHUTDOWN_PROGRAMS: readonly (readonly [string, ...string[]])[] = [
  [
    "python3",
    "-c",
    "import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), " +
      `${SHUTDOWN}, struct.pack("I", ${NO_LOG_FLUSH}))`,
  ],
  [
    "perl",
    "-e",
    `open(my $folder, "<", $ARGV[0]) or die; my $how = pack("I", ${NO_LOG_FLUSH}); ` +
      `ioctl($folder, ${SHUTDOWN}, $how) or die;`,
  ],
];

/**
 * Makes an ext4 file system on a loop device.
 *
 * @throws {NoDisk} if this machine does not allow it
 */
export async function makeDisk(): Promise<Disk> {
  if (process.platform !== "linux") throw new NoDisk("only Linux can shut a file system down");
  if (process.getuid?.() !== 0) throw new NoDisk("only root may mount a file system");
  const shutDown = await shutdownProgram();
  const home = await makeFolder("disk");
  const image = join(home, "image");
  const folder = join(home, "mounted");
  const mount = () => run("mount", "-o", "loop", image, folder);
  const unmount = () =>
    until(`nobody uses ${folder}`, () =>
      run("umount", folder).then(
        () => true,
        () => false,
      ),
    );
  try {
    await mkdir(folder);
    await run("truncate", "--size", SIZE, image);
    await run("mkfs.ext4", "-q", image);
    await mount();
    // PostgreSQL may run as another user.
    for (const path of [home, folder]) await chmod(path, 0o755);
  } catch (cause) {
    await rm(home, { recursive: true, force: true });
    throw new NoDisk(`this machine does not allow it: ${String(cause)}`, { cause });
  }
  return {
    folder,
    async cut() {
      await run(...shutDown, folder);
    },
    async comeBack() {
      await unmount();
      await mount();
    },
    async remove() {
      await unmount();
      await rm(home, { recursive: true });
    },
  };
}

async function shutdownProgram(): Promise<readonly [string, ...string[]]> {
  for (const [program, ...args] of SHUTDOWN_PROGRAMS) {
    const exists = await run(program, "--version").then(
      () => true,
      () => false,
    );
    if (exists) return [program, ...args];
  }
  throw new NoDisk("neither python3 nor perl is there to make the call");
}

async function run(program: string, ...args: readonly string[]): Promise<void> {
  await promisify(execFile)(program, args, { cwd: "/" });
}
