import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { describe, expect, onTestFinished, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { parseFirstPolicies, PoliciesError, readFirstPolicies } from "../../src/rpc/policy-file.ts";
import { auditDatabase } from "../support/audit.ts";
import { testDatabase } from "../support/database.ts";
import {
  runPoints,
  type RunningPoints,
  startPoints,
  temporaryFolder,
  until,
} from "../support/processes.ts";
import { startTwoWorkers } from "../support/workers.ts";

const LIMIT = "{ limit: { points: 5, window: { calendar: CALENDAR_UNIT_DAY } } }";

describe("policies of new accounts are read", () => {
  test("by name, each rule in the JSON of the contract", () => {
    const text = `
policies:
  monthly:
    allowance:
      points: 1000000000000
      every: { unit: CALENDAR_UNIT_MONTH }
      timeZone: Europe/Berlin
      ttl: 5184000s
      category: free
      services: [tts]
      endTime: 2020-01-01T00:00:00Z
  cap: { limit: { points: "7", window: { total: true }, each_member: true } }
  low: { alert: { below: -10 } }
  credit: { creditLine: { points: 5 } }
`;
    expect(parseFirstPolicies(text, "p.yaml")).toEqual([
      {
        name: "cap",
        rule: {
          kind: "limit",
          points: 7n,
          window: { kind: "total" },
          member: "",
          eachMember: true,
          service: "",
        },
      },
      { name: "credit", rule: { kind: "creditLine", points: 5n } },
      { name: "low", rule: { kind: "alert", below: -10n } },
      {
        name: "monthly",
        rule: {
          kind: "allowance",
          points: 1_000_000_000_000n,
          every: { count: 1, unit: "month" },
          startTime: undefined,
          timeZone: "Europe/Berlin",
          life: { kind: "ttl", ttl: 60n * 86_400_000_000n },
          priority: 0,
          category: "free",
          services: ["tts"],
          endTime: BigInt(Date.UTC(2020, 0, 1)) * 1_000n,
        },
      },
    ]);
    expect(parseFirstPolicies("policies: {}", "p.yaml")).toEqual([]);
    expect(readFirstPolicies(undefined)).toEqual([]);
  });
});

describe("a mistake is named with its file, policy and field:", () => {
  const cases: [what: string, text: string, says: string][] = [
    ["nothing", "", "p.yaml must have policies: a map of names to rules"],
    ["a list", "policies: []", "p.yaml must have policies: a map of names to rules"],
    ["something else", "policies: {}\nprices: {}", "p.yaml has prices: it takes policies, and"],
    ["a brace that stays open", "policies: {", "p.yaml is not YAML: "],
    ["a map in itself", "policies: &all { a: *all }", "p.yaml is not YAML: "],
    ["a name that is there twice", `policies:\n  a: ${LIMIT}\n  a: ${LIMIT}`, "p.yaml is not YAML"],
    ["an empty rule", "policies: { a: }", 'policies["a"] must be an object'],
    ["no rule", "policies: { a: {} }", 'policies["a"].rule is required'],
    [
      "two rules",
      "policies: { a: { alert: { below: 1 }, creditLine: { points: 1 } } }",
      'policies["a"].rule takes one of allowance, limit, alert, creditLine',
    ],
    [
      "an unknown rule",
      "policies: { a: { quota: {} } }",
      'policies["a"].quota is no field of points.v1.Policy',
    ],
    ["a name of its own", "policies: { a: { name: a } }", 'policies["a"].name is left out here: '],
    ["a bad name", `policies: { a b: ${LIMIT} }`, 'policies["a b"].name '],
    [
      "too many points",
      "policies: { a: { creditLine: { points: 9007199254740992 } } }",
      'policies["a"].credit_line.points must be greater than or equal to 0 and less than',
    ],
    [
      "a fraction",
      "policies: { a: { creditLine: { points: 0.5 } } }",
      'policies["a"].credit_line.points must be a whole number',
    ],
    [
      "an unknown unit",
      "policies: { a: { limit: { points: 1, window: { calendar: day } } } }",
      'policies["a"].limit.window.calendar must be a value of points.v1.CalendarUnit',
    ],
    [
      "no window",
      "policies: { a: { limit: { points: 1 } } }",
      'policies["a"].limit.window value is required',
    ],
    [
      "periods of 0",
      allowance("periods: 0"),
      'policies["a"].allowance.periods must be greater than or equal to 1',
    ],
    [
      "a time zone that does not exist",
      allowance("timeZone: Mars/Olympus"),
      'policies["a"].allowance.time_zone must be the name of a time zone',
    ],
    [
      "a limit's time zone that does not exist",
      "policies: { a: { limit: { points: 1, window: { calendar: CALENDAR_UNIT_DAY, timeZone: X } } } }",
      'policies["a"].limit.window.time_zone must be the name of a time zone',
    ],
    [
      "a start",
      allowance("startTime: 2030-01-01T00:00:00Z"),
      'policies["a"].allowance.start_time is left out here: ',
    ],
    [
      "a member and each member",
      "policies: { a: { limit: { points: 1, window: { total: true }, member: b, eachMember: true } } }",
      'policies["a"].limit.each_member cannot be with a member',
    ],
    [
      "several at once",
      "policies: { a: {}, b: { alert: {} }, c: { creditLine: { points: -1 } } }",
      'policies["a"].rule is required; policies["c"].credit_line.points must be ',
    ],
    [
      "too many",
      `policies:\n${Array.from({ length: 17 }, (_, at) => `  p${at}: ${LIMIT}\n`).join("")}`,
      "p.yaml has 17 policies: it takes 16",
    ],
  ];
  test.each(cases)("%s", (_, text, says) => {
    const read = () => parseFirstPolicies(text, "p.yaml");
    expect(read).toThrow(PoliciesError);
    expect(read).toThrow(/^p\.yaml/);
    expect(read).toThrow(says);
  });

  test("a file that is not there", () => {
    const read = () => readFirstPolicies("/nowhere/p.yaml");
    expect(read).toThrow(PoliciesError);
    expect(read).toThrow("cannot read the policies /nowhere/p.yaml");
  });
});

describe("a server with POLICIES", () => {
  test("gives them to new accounts, reads them again on SIGHUP, and keeps the old ones if the file is broken", async () => {
    const database = await testDatabase();
    onTestFinished(() => database.close());
    const path = await writePolicies(`low: { alert: { below: 3 } }, cap: ${LIMIT}`);
    const server = await startPoints({ DATABASE_URL: database.url, POLICIES: path });
    const { points, policies } = clientsOf(server);

    const { created, account } = await points.getOrCreate({ userId: "ada" });
    expect({ created, sequence: account?.sequence }).toEqual({ created: true, sequence: 2n });
    expect(await points.getOrCreate({ userId: "ada" })).toMatchObject({ created: false });
    const recharged = await points.recharge({ userId: "bob", points: 9n, actor: "Ana" });
    expect(recharged).toMatchObject({ entry: { sequence: 1n }, account: { sequence: 1n } });
    const { entries } = await points.listEntries({ userId: "bob" });
    expect(entries.map(({ kind, policy, actor }) => [kind, policy?.name, actor])).toEqual([
      [EntryKind.SET_POLICY, "low", "Ana"],
      [EntryKind.SET_POLICY, "cap", "Ana"],
      [EntryKind.RECHARGE, undefined, "Ana"],
    ]);
    const credit = { case: "creditLine", value: { points: 5n } } as const;
    await policies.putPolicy({ userId: "eve", policy: { name: "low", rule: { ...credit } } });
    const namesOf = async (userId: string) => {
      const listed = await policies.listPolicies({ userId });
      return listed.policies.map(({ policy }) => `${policy?.name} ${policy?.rule.case}`);
    };
    expect(await namesOf("eve")).toEqual(["cap limit", "low creditLine"]);

    await writeFile(path, "policies: { vip: { creditLine: { points: 7 } } }");
    server.child.kill("SIGHUP");
    await until("the new ones are in force", () => server.stderr().includes('"names":["vip"]'));
    await points.getOrCreate({ userId: "fay" });
    expect(await namesOf("fay")).toEqual(["vip creditLine"]);
    expect(await namesOf("ada")).toEqual(["cap limit", "low alert"]);

    for (const [text, why] of [
      ["policies: { vip: {} }", 'policies[\\"vip\\"].rule is required'],
      ["policies: {", "is not YAML"],
    ] as const) {
      await writeFile(path, text);
      server.child.kill("SIGHUP");
      await until("it is refused", () => server.stderr().includes(why));
    }
    expect(server.stderr()).toContain("the new policies are refused, the old ones stay in force");
    await points.getOrCreate({ userId: "gus" });
    expect(await namesOf("gus")).toEqual(["vip creditLine"]);
    expect((await server.end("SIGTERM")).code).toBe(0);
    await auditDatabase(database.url);
  });

  test("and several workers gives them by all of them, the new ones too", async () => {
    const path = await writePolicies("one: { alert: { below: 3 } }");
    const server = await startTwoWorkers({ POLICIES: path });
    const namesOfNew = async (round: string) => {
      const found = new Set<string>();
      for (let at = 0; at < 8; at += 1) {
        // A connection each, so that several workers answer.
        const { points, policies, close } = clientsOf(server);
        const userId = `${round}-${at}`;
        await points.getOrCreate({ userId });
        const listed = await policies.listPolicies({ userId });
        for (const { policy } of listed.policies) found.add(policy!.name);
        close();
      }
      return [...found].join(" ");
    };
    expect(await namesOfNew("a")).toBe("one");
    await writeFile(path, "policies: { two: { alert: { below: 3 } } }");
    server.child.kill("SIGHUP");
    let round = 0;
    await until("all give the new one", async () => (await namesOfNew(`b${round++}`)) === "two");
    expect((await server.end("SIGTERM")).code).toBe(0);
  });

  test.each(["1", "2"])("does not start on a broken file, with WORKERS=%s", async (WORKERS) => {
    const POLICIES = await writePolicies("vip: { creditLine: { points: none } }");
    const { code, stdout, stderr } = await runPoints({ POLICIES, WORKERS }).exit;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    const says = 'policies["vip"].credit_line.points must be a whole number, in decimal digits';
    expect(stderr).toBe(`points: ${POLICIES}: ${says}\n`);
  });
});

function allowance(more: string): string {
  const rule = `points: 5, every: { unit: CALENDAR_UNIT_DAY }, ${more}`;
  return `policies: { a: { allowance: { ${rule} } } }`;
}

/** A file with these policies, removed at the end of the test. */
async function writePolicies(policies: string): Promise<string> {
  const path = join(await temporaryFolder(), "policies.yaml");
  await writeFile(path, `policies: { ${policies} }`);
  return path;
}

/** Clients on a connection of their own. */
function clientsOf({ port }: RunningPoints) {
  const baseUrl = `http://127.0.0.1:${port}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  onTestFinished(() => sessionManager.abort());
  const transport = createGrpcTransport({ baseUrl, sessionManager });
  return {
    points: createClient(PointsService, transport),
    policies: createClient(PolicyService, transport),
    close: () => sessionManager.abort(),
  };
}
