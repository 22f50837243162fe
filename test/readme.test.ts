import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeConfig } from "../src/config.ts";
import { testServer, type TestServer } from "./support/server.ts";

const run = promisify(execFile);
const readme = await readFile("README.md", "utf8");

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

describe("the README", () => {
  test("gives requests that work as they are typed", async () => {
    const [recharge, consume] = blocks("sh").filter((block) => block.includes("PointsService"));
    expect(JSON.parse(await shell(recharge!))).toMatchObject({ account: { balance: "100" } });
    expect(JSON.parse(await shell(consume!))).toMatchObject({ account: { balance: "95" } });
    expect(JSON.parse(await shell(consume!))).toMatchObject({ replayed: true });

    const [client] = blocks("ts");
    // Beside the README, where its import finds gen/.
    const file = `readme-${process.pid}.ts`;
    await writeFile(file, atServer(client!));
    try {
      const { stdout } = await run("node", [file]);
      expect(stdout).toBe("entry 3, 90 points left, replayed: false\n");
    } finally {
      await rm(file);
    }
  });

  test("gives commands for a terminal that work as they are typed", async () => {
    const block = blocks("sh").find((text) => text.includes("npx points account"))!;
    const said = await shell(block);
    expect(said).toContain("tts");
    expect(said).toMatch(/53\b/);
  });

  test("starts and tests with the scripts that there are", async () => {
    const { scripts } = JSON.parse(await readFile("package.json", "utf8")) as {
      scripts: Record<string, string>;
    };
    expect(blocks("sh").slice(0, 2)).toEqual(["npm ci && npm start\n", "npm ci && npm test\n"]);
    for (const [, name] of readme.matchAll(/npm run (\w+)/g)) expect(scripts).toHaveProperty(name!);
  });

  test("has the table of variables that the help prints", () => {
    const table = [...readme.matchAll(/^\| `(\w+)` \| (.+) \| (.+) \| (.*)\|$/gm)].map(
      ([, name, about, takes, fallback]) => {
        const usually = fallback === "" ? "" : `, default ${fallback?.trim()}`;
        const text = about!.replaceAll("`", "");
        return `  ${name!.padEnd(26)} ${text}\n${" ".repeat(29)}(${takes}${usually})`;
      },
    );
    expect(table.join("\n")).toBe(describeConfig());
  });

  test("has a demo that plays its day to the end", async () => {
    const { stdout } = await run("node", ["scripts/demo.ts"], {
      env: { ...process.env, POINTS_URL: server.baseUrl },
    });
    expect(stdout).toContain(
      "balance 60 + frozen 0 + consumed 310 + expired 80 = recharged 430 + refunded 20",
    );
  });
});

function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(
    ([, block]) => block!,
  );
}

async function shell(block: string): Promise<string> {
  const env = { ...process.env, POINTS_URL: server.baseUrl };
  return (await run("bash", ["-c", atServer(block)], { env })).stdout;
}

function atServer(text: string): string {
  return text.replaceAll("127.0.0.1:50051", `127.0.0.1:${server.port}`);
}
