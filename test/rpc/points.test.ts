import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

describe("an account's life over gRPC", () => {
  test("the first GetOrCreate makes the account, the second finds it", async () => {
    const first = await server.client.getOrCreate({ userId: "ada" });
    const second = await server.client.getOrCreate({ userId: "ada" });
    expect(first.created).toBe(true);
    expect(second).toEqual({ ...first, created: false });
  });
});
