import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ConsumeResponse } from "../../gen/points/v1/points_pb.ts";
import { createPointsClient } from "../../src/client/client.ts";
import { makeFolder } from "../support/run-folder.ts";
import { testServer, type TestServer } from "../support/server.ts";

// By a name that the compiler does not follow: it imports types of a package that is not installed.
const EXAMPLE = "../../clients/typescript/src/speech.ts";
const { chargeSpeech } = (await import(EXAMPLE)) as {
  chargeSpeech: (
    points: ReturnType<typeof createPointsClient>,
    speech: { userId: string; requestId: string; file: string },
  ) => Promise<ConsumeResponse>;
};

let server: TestServer;
let points: ReturnType<typeof createPointsClient>;
let folder: string;
beforeAll(async () => {
  server = await testServer();
  points = createPointsClient(server.transport);
  folder = await makeFolder("speech");
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

test.each([
  { samples: 8, costs: 1n },
  { samples: 8_000, costs: 1n },
  { samples: 8_001, costs: 1n },
  { samples: 8_008, costs: 2n },
  { samples: 20_000, costs: 3n },
])("speech of $samples samples, at 8,000 a second, costs $costs, once", async (row) => {
  const userId = `speaker-${row.samples}`;
  await points.recharge({ userId, points: 10n });
  const file = await fileOf(userId, wav(row.samples));
  const charged = await chargeSpeech(points, { userId, requestId: "job", file });
  expect(charged).toMatchObject({
    entry: { points: row.costs, usage: { service: "tts" } },
    account: { balance: 10n - row.costs },
  });
  const again = await chargeSpeech(points, { userId, requestId: "job", file });
  expect(again).toEqual({ ...charged, replayed: true });
});

test("a file whose length cannot be read is refused by its name, and nothing is charged", async () => {
  const userId = "no-speaker";
  await points.recharge({ userId, points: 10n });
  const files = [
    await fileOf("text", Buffer.from("This is no audio.\n".repeat(10))),
    await fileOf("empty", Buffer.alloc(0)),
    await fileOf("silent", wav(0)),
    await fileOf("cut", wav(8_000).subarray(0, 30)),
    join(folder, "missing.wav"),
  ];
  for (const file of files) {
    const charge = chargeSpeech(points, { userId, requestId: "job", file });
    await expect(charge).rejects.toThrow(file);
  }
  expect((await points.getAccount({ userId })).account).toMatchObject({ balance: 10n });
});

test("a file that ends early costs what there is of it", async () => {
  const userId = "cut-speaker";
  await points.recharge({ userId, points: 10n });
  const file = await fileOf("early", wav(40_000).subarray(0, 44 + 16_000));
  expect(await chargeSpeech(points, { userId, requestId: "job", file })).toMatchObject({
    entry: { points: 2n },
  });
});

test("the example installs the library that the tests run it with", async () => {
  const [example, root] = await Promise.all(
    ["clients/typescript/package.json", "package.json"].map(async (path) => {
      return JSON.parse(await readFile(path, "utf8")) as Record<string, Record<string, string>>;
    }),
  );
  const installed = root!["devDependencies"]!["music-metadata"];
  expect(installed).toBeDefined();
  expect(example!["dependencies"]!["music-metadata"]).toBe(installed);
});

async function fileOf(name: string, content: Buffer): Promise<string> {
  const file = join(folder, `${name}.wav`);
  await writeFile(file, content);
  return file;
}

/** Silence: one channel, 8,000 samples a second of 8 bits. */
function wav(samples: number): Buffer {
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + samples, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8_000, 24);
  head.writeUInt32LE(8_000, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write("data", 36);
  head.writeUInt32LE(samples, 40);
  return Buffer.concat([head, Buffer.alloc(samples, 128)]);
}
