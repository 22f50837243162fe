import { readdir, readFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const SRC = resolve("src");

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
  const console = resolve("console");
  const may = [console, resolve("gen"), resolve("src/client")];
  for (const file of await readdir(console, { recursive: true })) {
    if (!/^(?!dist\/|vite\.config).*\.tsx?$/.test(file)) continue;
    const text = await readFile(join(console, file), "utf8");
    for (const [, path] of text.matchAll(/(?:from |import\()"(\..*?)"/g)) {
      const imported = resolve(console, file, "..", path!);
      const isOurs = may.some((folder) => imported.startsWith(`${folder}/`));
      expect(isOurs, `console/${file} may import ${path}`).toBe(true);
    }
    expect(text.includes('from "node:'), `console/${file} imports nothing of Node`).toBe(false);
  }
});

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
    for (const [, path] of text.matchAll(/(?:from |import\()"(\..*?)"/g)) {
      const other = roomOf(relative(SRC, resolve(SRC, file, "..", path!)));
      if (other !== undefined && other !== room) others.add(other);
    }
  }
  return rooms;
}

/** The folder that a file of src is in; undefined if it is in none. */
function roomOf(file: string): string | undefined {
  const [room, ...rest] = file.split("/");
  return rest.length === 0 || room === ".." ? undefined : room;
}
