import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const FOLDERS = [".", "docs", "bench", "clients", ...(await foldersIn("clients"))];
const pages = (await Promise.all(FOLDERS.map(pagesIn))).flat();

test.each(pages)("%s links to what there is, and names files that there are", async (page) => {
  const text = (await readFile(page, "utf8")).replaceAll(/^```[^]*?^```$/gm, "");
  const missing: string[] = [];
  for (const [, link] of text.matchAll(/\]\((?!\w+:)(.*?)\)/g)) {
    if (!(await leadsSomewhere(page, link!))) missing.push(link!);
  }
  for (const [, name] of text.matchAll(NAMED_FILES)) {
    const places = [name!, `src/${name}`, join(dirname(page), name!)];
    const found = await Promise.all(places.map(isThere));
    if (!found.includes(true)) missing.push(name!);
  }
  expect(missing).toEqual([]);
});

/** Between backticks, what is in a folder and looks like a file, but for what is made by a command. */
const NAMED_FILES =
  /`(?!gen\/|node_modules\/)([\w.-]+\/[\w./-]+\.(?:ts|md|json|ya?ml|proto|sql|txt))`/g;

async function leadsSomewhere(page: string, link: string): Promise<boolean> {
  const [path, place] = link.split("#");
  const target = path === "" ? page : join(dirname(page), path!);
  if (!(await isThere(target))) return false;
  return place === undefined || placesIn(await readFile(target, "utf8")).includes(place);
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The anchors of a page's headings, as GitHub makes them. */
function placesIn(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

async function pagesIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder);
  return names.filter((name) => name.endsWith(".md")).map((name) => join(folder, name));
}

async function foldersIn(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { withFileTypes: true });
  return found.filter((one) => one.isDirectory()).map(({ name }) => join(folder, name));
}
