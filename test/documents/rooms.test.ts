import { readdir, readFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const SRC = resolve("src");
const CONSOLE = resolve("console");

test("a folder imports only what ARCHITECTURE says, and only folders above it there", async () => {
  const page = await readFile("ARCHITECTURE.md", "utf8");
  const rows = [...page.matchAll(/^\| `src\/(\w+)\/` \| .* \| (.*?) ?\|$/gm)];
  const said = rows.map(([, room, list]): [string, string[]] => {
    return [room!, list!.split(", ").filter((one) => one !== "")];
  });
  const imports = await importsOfRooms();
  expect(sorted(said)).toEqual(sorted([...imports]));
  const above = new Set<string>();
  for (const [room, others] of said) {
    for (const other of others) expect(above, `${other} is above ${room}`).toContain(other);
    above.add(room);
  }
});

test("the console imports the contract, the client and itself, and nothing of Node", async () => {
  const may = [CONSOLE, resolve("gen"), resolve("src/client")];
  for (const { file, text, imported } of await consoleFiles()) {
    for (const path of imported) {
      const isOurs = may.some((folder) => path.startsWith(`${folder}/`));
      expect(isOurs, `console/${file} may import ${path}`).toBe(true);
    }
    expect(text.includes('from "node:'), `console/${file} imports nothing of Node`).toBe(false);
  }
});

test("a screen of the console imports no other screen, but through its parts and app", async () => {
  // These show screens.
  const show = new Set(["app/router.tsx", "app/session.tsx"]);
  for (const { file, imported } of await consoleFiles()) {
    const room = roomOf(file);
    const others = imported.flatMap((path) => roomOf(relative(CONSOLE, path)) ?? []);
    for (const other of room === undefined || show.has(file) ? [] : others) {
      const isAllowed = [room, "app", "parts"].includes(other);
      expect(isAllowed, `console/${file} may import of ${other}`).toBe(true);
    }
  }
});

/** The files of the console, and the paths of ours that each imports. */
async function consoleFiles() {
  const files = await readdir(CONSOLE, { recursive: true });
  const sources = files.filter((file) => /^(?!dist\/|vite\.config).*\.tsx?$/.test(file));
  return Promise.all(
    sources.map(async (file) => {
      const text = await readFile(join(CONSOLE, file), "utf8");
      const imported = importsIn(text).map((path) => resolve(CONSOLE, file, "..", path));
      return { file, text, imported };
    }),
  );
}

function importsIn(text: string): readonly string[] {
  return [...text.matchAll(/(?:from |import\()"(\..*?)"/g)].map(([, path]) => path!);
}

function sorted(lists: readonly (readonly [string, Iterable<string>])[]) {
  return Object.fromEntries(lists.map(([room, others]) => [room, [...others].toSorted()]));
}

/** Which other folders the files of each folder import. */
async function importsOfRooms(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const rooms = new Map<string, Set<string>>();
  for (const file of await readdir(SRC, { recursive: true })) {
    const room = roomOf(file);
    if (!file.endsWith(".ts") || room === undefined) continue;
    const others = rooms.get(room) ?? new Set();
    rooms.set(room, others);
    const text = await readFile(join(SRC, file), "utf8");
    for (const path of importsIn(text)) {
      const other = roomOf(relative(SRC, resolve(SRC, file, "..", path)));
      if (other !== undefined && other !== room) others.add(other);
    }
  }
  return rooms;
}

/** The folder of src or the console that a file is in; undefined if it is in none. */
function roomOf(file: string): string | undefined {
  const [room, ...rest] = file.split("/");
  return rest.length === 0 || room === ".." ? undefined : room;
}
