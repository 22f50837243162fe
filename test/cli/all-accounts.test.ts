import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import type {
  ListAccountsRequest,
  ListExpiringRequest,
  SearchEntriesRequest,
} from "../../gen/points/v1/ledger_pb.ts";
import { WrongUsage } from "../../src/cli/arguments.ts";
import { runExpiring } from "../../src/cli/expiring.ts";
import { runSearch } from "../../src/cli/search.ts";
import { notProjected } from "../../src/errors/api-error.ts";
import { runPoints } from "../support/processes.ts";
import { entryOf, serveLedger } from "../support/scripted-ledger.ts";

// Pages of whatever a test says. The answers of a real server are those of docs/reports.md.

const TIME = timestampFromMs(1_800_000_000_000);

test("points search goes through pages, and shows the newest at the end", async () => {
  const requests: SearchEntriesRequest[] = [];
  // A page may be empty though more follow.
  const pages = [
    [entryOf("ada", 9), entryOf("bob", 7)],
    [],
    [entryOf("ada", 3), entryOf("eve", 1)],
  ];
  const { baseUrl } = await serveLedger({
    searchEntries(request) {
      requests.push(request);
      const at = Number(request.pageToken);
      const entries = pages[at]!.slice(0, request.pageSize);
      return { entries, nextPageToken: String(at + 1), caughtUpTo: TIME };
    },
  });
  const search = (...args: string[]) =>
    runPoints({ POINTS_URL: baseUrl }, ["search", ...args]).exit;
  const from = ["--from=2026-11-01T00:00:00Z", "--until=2026-12-01T00:00:00+01:00"];
  const table = await search("order=8=157", "eu-", "--limit=3", ...from);
  expect(table).toMatchObject({ code: 0, stderr: "" });
  expect(table.stdout.match(/^\w+ +\d+ /gm)).toEqual(["ada   3 ", "bob   7 ", "ada   9 "]);
  expect(table.stdout).toMatch(/\n\nThere are more before these: see --limit\.\n\nAs of .*\n$/);
  expect(requests).toMatchObject([
    { pageSize: 3, pageToken: "" },
    { pageSize: 1, pageToken: "1" },
    { pageSize: 1, pageToken: "2" },
  ]);
  expect(requests[2]).toMatchObject({
    by: { case: "metadata", value: { key: "order", value: "8=157" } },
    userIdPrefix: "eu-",
    startTime: { seconds: BigInt(Date.parse("2026-11-01T00:00:00Z") / 1_000) },
    endTime: { seconds: BigInt(Date.parse("2026-11-30T23:00:00Z") / 1_000) },
  });
  const json = await search("--actor=Ana", "--limit=1", "--json");
  expect(JSON.parse(json.stdout)).toMatchObject({
    entries: [{ userId: "ada", sequence: "9" }],
    nextPageToken: "1",
    caughtUpTo: "2027-01-15T08:00:00Z",
  });
  expect(requests[3]).toMatchObject({ by: { case: "actor", value: "Ana" }, userIdPrefix: "" });
});

test("points search picks out one user, and takes days", async () => {
  const requests: SearchEntriesRequest[] = [];
  const pages = [
    [entryOf("ada=1", 9), entryOf("ada=10", 8)],
    [entryOf("ada=12", 7)],
    [entryOf("ada=1", 6)],
  ];
  const { baseUrl } = await serveLedger({
    searchEntries(request) {
      requests.push(request);
      const at = Number(request.pageToken);
      return { entries: pages[at]!, nextPageToken: String(at + 1), caughtUpTo: TIME };
    },
  });
  const args = ["--request-id=r", "--user=ada=1", "--limit=2", "--from=2026-11-01"];
  const { stdout } = await runPoints({ POINTS_URL: baseUrl }, ["search", ...args]).exit;
  expect(stdout.match(/^ada=\d+ +\d+ /gm)).toEqual(["ada=1  6 ", "ada=1  9 "]);
  expect(stdout).toContain("There are more before these");
  const startTime = { seconds: BigInt(Date.parse("2026-11-01") / 1_000), nanos: 0 };
  expect(requests).toMatchObject([
    { userIdPrefix: "ada=1", pageSize: 2, pageToken: "", startTime },
    { userIdPrefix: "ada=1", pageSize: 1, pageToken: "1", startTime },
    { userIdPrefix: "ada=1", pageSize: 1, pageToken: "2", startTime },
  ]);
});

test("points search says so if nothing was found, or most is not there yet", async () => {
  const { baseUrl } = await serveLedger({ searchEntries: () => ({}) });
  const { stdout } = await runPoints({ POINTS_URL: baseUrl }, ["search", "--request-id=r"]).exit;
  expect(stdout).toBe("nothing was found\n\nThe index is being built, and lacks most.\n");
});

test("points expiring and points accounts go through pages", async () => {
  const requests: (ListExpiringRequest | ListAccountsRequest)[] = [];
  const users = ["ada", "bob", "eve"];
  const page = <Item>(
    request: ListExpiringRequest | ListAccountsRequest,
    item: (userId: string) => Item,
  ) => {
    requests.push(request);
    const at = Number(request.pageToken);
    const items = users.slice(at, at + 2).map(item);
    return { items, nextPageToken: at === 0 ? "2" : "", asOf: TIME };
  };
  const { baseUrl } = await serveLedger({
    listExpiring(request) {
      const points = { points: 9n, firstTime: TIME, firstPoints: 4n };
      const { items, ...rest } = page(request, (userId) => ({ userId, ...points }));
      return { expiring: items, ...rest };
    },
    listAccounts(request) {
      const { items, ...rest } = page(request, (userId) => ({ userId, balance: 5n, debt: 1n }));
      return { accounts: items, ...rest };
    },
  });
  const points = (...args: string[]) => runPoints({ POINTS_URL: baseUrl }, args).exit;
  const [expiring, accounts, first, json] = await Promise.all([
    points("expiring", "--within=36h", "eu-"),
    points("accounts"),
    points("accounts", "--limit=2"),
    points("expiring", "--json"),
  ]);
  expect(expiring.stdout.match(/^(ada|bob|eve) +9 +2027-01-15 08:00:00 +4$/gm)).toHaveLength(3);
  expect(expiring.stdout).toMatch(/\n\nAs of 2027-01-15 08:00:00 \(UTC\)\.\n$/);
  const ofPrefix = requests.filter(({ userIdPrefix }) => userIdPrefix === "eu-");
  expect(ofPrefix).toMatchObject([
    { within: { seconds: 129_600n }, pageToken: "" },
    { within: { seconds: 129_600n }, pageToken: "2" },
  ]);
  expect(accounts.stdout.match(/^(ada|bob|eve) +5 +0 +1 /gm)).toHaveLength(3);
  expect(first.stdout).toContain("\nbob ");
  expect(first.stdout).not.toContain("\neve ");
  expect(first.stdout).toContain("\n\nThere are more users after these: see --limit.\n");
  expect(JSON.parse(json.stdout)).toMatchObject({
    expiring: [{ userId: "ada", firstPoints: "4" }, { userId: "bob" }, { userId: "eve" }],
    nextPageToken: "",
  });
});

test("points overview shows the ten largest, and says why there is none", async () => {
  const largest = Array.from({ length: 11 }, (_, at) => ({ userId: `u${at}`, balance: 100n }));
  const expiring = [{ startTime: TIME, points: 7n }];
  const sums = { accounts: 1n, balance: 70n, frozen: 5n, debt: 2n, expiring, neverExpiring: 63n };
  let isThere = false;
  const { baseUrl } = await serveLedger({
    getOverview() {
      if (!isThere) throw notProjected("overview");
      return { ...sums, largest, asOf: TIME, endTime: TIME };
    },
  });
  const overview = () => runPoints({ POINTS_URL: baseUrl }, ["overview"]).exit;
  const none = await overview();
  expect(none).toMatchObject({ code: 1, stdout: "" });
  expect(none.stderr).toMatch(/^points: no scan .*\(NOT_PROJECTED, missing overview\)\n$/);
  isThere = true;
  const { stdout } = await overview();
  expect(stdout).toMatch(/^1 account +points\n/);
  expect(stdout).toMatch(/^outstanding +75$/m);
  expect(stdout).toMatch(/^2027-01-15 08:00:00 +7\nlater +0\nnever +63$/m);
  expect(stdout.match(/^u\d+ /gm)).toHaveLength(10);
});

test("a wrong command line is refused", async () => {
  const wrong = (message: string) => new WrongUsage(message);
  const missing = wrong("--request-id ID, --actor NAME or KEY=VALUE is missing");
  await expect(runSearch([])).rejects.toThrow(missing);
  const pair = wrong("search takes KEY=VALUE, such as order=8157, and not 8157");
  await expect(runSearch(["8157"])).rejects.toThrow(pair);
  const both = wrong("search is for --request-id or for --actor, and not for both");
  await expect(runSearch(["--request-id=r", "--actor=a"])).rejects.toThrow(both);
  const other = wrong("search is for --actor or for KEY=VALUE, and not for both");
  await expect(runSearch(["--actor=a", "order=1", "eu-"])).rejects.toThrow(other);
  const pairToo = wrong("search is for --request-id or for KEY=VALUE, and not for both");
  await expect(runSearch(["--request-id=r", "order=1"])).rejects.toThrow(pairToo);
  const users = wrong("a search is of --user or of USER-PREFIX, and not of both");
  await expect(runSearch(["order=1", "eu-", "--user=eu-1"])).rejects.toThrow(users);
  await expect(runSearch(["order=1", "--from=2026-02-31"])).rejects.toThrow("is no day");
  const limit = wrong("--limit takes 1 or more");
  await expect(runSearch(["order=1", "--limit=0"])).rejects.toThrow(limit);
  await expect(runExpiring(["--within=soon"])).rejects.toThrow("--within takes a length such as");
});

test("points statement says as of when it is, if a standby has answered", async () => {
  const answers = new Map([["ada", [entryOf("ada", 1)]]]);
  const { baseUrl } = await serveLedger(
    {},
    { listEntries: ({ userId }) => ({ entries: answers.get(userId) ?? [], asOf: TIME }) },
  );
  const statement = (...args: string[]) =>
    runPoints({ POINTS_URL: baseUrl }, ["statement", ...args]).exit;
  const [table, none, json] = await Promise.all([
    statement("ada"),
    statement("bob"),
    statement("ada", "--json"),
  ]);
  expect(table.stdout).toMatch(/^1 .*\n\nAs of 2027-01-15 08:00:00 \(UTC\)\.\n$/m);
  expect(none.stdout).toBe("bob has no entries\n\nAs of 2027-01-15 08:00:00 (UTC).\n");
  expect(JSON.parse(json.stdout)).toMatchObject({
    entries: [{ userId: "ada" }],
    asOf: "2027-01-15T08:00:00Z",
  });
});
