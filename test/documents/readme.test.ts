import { execFile } from "node:child_process";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorReasonSchema } from "../../gen/points/v1/error_reason_pb.ts";
import { describeApi } from "../../scripts/generate-api.ts";
import { describeConfig } from "../../src/config/environment.ts";
import { codeBlocks } from "../support/code-blocks.ts";
import { testServer, type TestServer } from "../support/server.ts";

const run = promisify(execFile);
const readme = await readFile("README.md", "utf8");

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

describe("the README", () => {
  test("gives requests that work as they are typed", async () => {
    const [recharge, consume] = codeBlocks(readme, "sh").filter((block) =>
      block.includes("PointsService"),
    );
    expect(JSON.parse(await shell(recharge!))).toMatchObject({ account: { balance: "100" } });
    expect(JSON.parse(await shell(consume!))).toMatchObject({ account: { balance: "95" } });
    expect(JSON.parse(await shell(consume!))).toMatchObject({ replayed: true });

    const [client] = codeBlocks(readme, "ts");
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
    const block = codeBlocks(readme, "sh").find((text) => text.includes("npx points account"))!;
    const said = await shell(block);
    expect(said).toContain("tts");
    expect(said).toMatch(/53\b/);
  });

  test("starts and tests with the scripts that there are", async () => {
    const { scripts } = JSON.parse(await readFile("package.json", "utf8")) as {
      scripts: Record<string, string>;
    };
    expect(codeBlocks(readme, "sh").slice(0, 2)).toEqual([
      "npm ci && npm start\n",
      "npm ci && npm test\n",
    ]);
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
      "balance 10 + frozen 0 + consumed 360 + expired 80 + revoked 0 = recharged 430 + refunded 20 + debt 0",
    );
    expect(stdout).toContain("wants to speak on");
    expect(stdout.match(/settle #\d+ +live speech .*stays open/g)).toHaveLength(1);
  });
});

test("ARCHITECTURE has each folder and each file of src", async () => {
  const page = await readFile("ARCHITECTURE.md", "utf8");
  for (const found of await readdir("src", { withFileTypes: true })) {
    expect(page).toContain(
      found.isDirectory() ? `| \`src/${found.name}/\` |` : `\`${found.name}\``,
    );
  }
});

describe("the page on errors", () => {
  test("has each reason of the contract with its code, and no other", async () => {
    const page = await readFile("docs/errors.md", "utf8");
    const rows = [...page.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, reason, code]) => {
      return `${reason} ${code}`;
    });
    const proto = await readFile("proto/points/v1/error_reason.proto", "utf8");
    // Each value's comment begins with its code.
    const values = [...proto.matchAll(/((?: {2}\/\/ .*\n)+) {2}ERROR_REASON_(\w+) =/g)].slice(1);
    const codeIn = (comment: string) => /\/\/ (\w+):/.exec(comment)?.[1];
    const reasons = values.map(([, comment, name]) => `${name} ${codeIn(comment!)}`);
    expect(reasons).toHaveLength(ErrorReasonSchema.values.length - 1);
    expect(rows.toSorted()).toEqual(reasons.toSorted());
  });

  test("says yes to repeats of what the service config repeats, but for what forbids it", async () => {
    const page = await readFile("docs/errors.md", "utf8");
    const rows = [...page.matchAll(/^\| `(\w+)` \| (\w+) \| .* \| (.*) \|$/gm)];
    expect(rows).toHaveLength(ErrorReasonSchema.values.length - 1);
    const config = JSON.parse(await readFile("proto/points/v1/service_config.json", "utf8")) as {
      methodConfig: [{ retryPolicy: { retryableStatusCodes: string[] } }];
    };
    const { retryableStatusCodes: codes } = config.methodConfig[0].retryPolicy;
    const said = rows.flatMap(([, reason, , repeat]) => (repeat === "yes" ? [reason] : []));
    const retried = rows.flatMap(([, reason, code]) => (codes.includes(code!) ? [reason] : []));
    expect(said).toEqual(retried.filter((reason) => reason !== "MESSAGE_TOO_LARGE"));
  });
});

describe("the page on the API", () => {
  test("is what the proto's comments say now", async () => {
    expect(await readFile("docs/api.md", "utf8")).toBe(await describeApi());
  });
});

describe("the page on guarantees", () => {
  test("gives a command that works", async () => {
    const page = await readFile("docs/guarantees.md", "utf8");
    for (const block of codeBlocks(page, "sh"))
      expect(await shell(block)).toContain("all in order");
  });
});

async function shell(block: string): Promise<string> {
  const env = { ...process.env, POINTS_URL: server.baseUrl, DATABASE_URL: server.database.url };
  return (await run("bash", ["-c", atServer(block)], { env })).stdout;
}

function atServer(text: string): string {
  return text.replaceAll("127.0.0.1:50051", `127.0.0.1:${server.port}`);
}
