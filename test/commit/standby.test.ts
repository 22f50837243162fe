import { rm } from "node:fs/promises";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from "vitest";
import type { CommitOptions, Result } from "../../src/commit/commit.ts";
import type { Command } from "../../src/ledger/command.ts";
import { durabilityGaps } from "../../src/store/driver/durability.ts";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { auditDatabase } from "../support/audit.ts";
import { reloadConfiguration } from "../support/cluster.ts";
import { consume, DUE, expire, named, open, recharge } from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { until } from "../support/processes.ts";
import { makeFolder } from "../support/run-folder.ts";
import { type Replicated, startReplicated } from "../support/standby.ts";
import { type Proxy, startProxy } from "../torture/deployment/proxy.ts";

// A primary has a synchronous standby, which is cut off, so that COMMITs wait for it. Something
// ends their wait: they are committed on the primary alone, which shows them. Nothing is answered
// that a promotion of the standby would take back.

let folder: string;
let replicated: Replicated;
let proxy: Proxy;
let server: Orm;
let other: Orm;
beforeAll(async () => {
  folder = await makeFolder("standby");
  // Processes are killed here, and no machines.
  replicated = await startReplicated(folder, { fsync: "off" });
  await replicated.query("create role server login");
  const orm = await openOrm(replicated.url(), 2);
  await migrate(orm, "server");
  await orm.close();
  proxy = await startProxy(() => {
    const path = replicated.socketPath();
    return path === undefined ? undefined : { path };
  });
  [server, other] = [await connect(), await connect()];
});
afterAll(async () => {
  // What still waits for a standby would be waited for.
  await proxy.close();
  await server.close();
  await other.close();
  await replicated.stop();
  await rm(folder, { recursive: true });
});

// A call is tried for 30 s by this clock, and a slow machine takes longer to promote a standby.
beforeEach(() => {
  const stopped = vi.spyOn(performance, "now").mockReturnValue(performance.now());
  return () => stopped.mockRestore();
});
afterEach(() => replicated.rejoin());

const events: [name: string, happen: () => Promise<unknown>][] = [
  ["is cancelled", () => replicated.endWaiting("pg_cancel_backend")],
  ["is terminated", () => replicated.endWaiting("pg_terminate_backend")],
  ["ends with the primary, which comes back", () => replicated.endAndStart("SIGKILL")],
];

describe.each(events)("a COMMIT's wait %s, and its call is answered", (name, happen) => {
  /** A call that waits for the standby for the second time. */
  async function waitingOf(userId: string) {
    await commitAll(server, [of(userId, recharge(100n))]);
    replicated.part();
    const call = callOf(commitAll(server, [of(userId, consume(5n))]));
    const first = await call.waits();
    await happen();
    await call.waits(first);
    return call;
  }

  test("when the standby has its change", async () => {
    const userId = idOf("ada", name);
    const call = await waitingOf(userId);
    await replicated.rejoin();
    const [answer] = await call.results;
    replicated.part();
    expect(answer).toMatchObject({ entry: { sequence: 2n, points: 5n }, replayed: false });
    await until("the standby shows it", async () => {
      return (await replicated.queryStandby(entriesOf(userId))).length === 2;
    });
  });

  test("when the standby is promoted without it, and has it too", async () => {
    const userId = idOf("bob", name);
    const call = await waitingOf(userId);
    await replicated.promote();
    expect(await replicated.query(entriesOf(userId))).toHaveLength(1);
    await replicated.rejoin();
    const [answer] = await call.results;
    expect(answer).toMatchObject({ entry: { sequence: 2n, points: 5n }, replayed: false });
    expect(await replicated.query(entriesOf(userId))).toHaveLength(2);
    await auditDatabase(replicated.url());
  });
});

describe("a repeat of what the primary alone has is answered", () => {
  /** A caller is not answered, and each of its commands is repeated, to another server. */
  async function repeated(name: string) {
    const [ada, bob, cleo] = ["ada", "bob", "cleo"].map((user) => idOf(user, name));
    const commands = [
      of(ada!, named(consume(5n), "charge")),
      of(bob!, named(expire(DUE), "nothing is due")),
      of(cleo!, open()),
    ];
    await commitAll(server, [of(ada!, recharge(100n)), of(bob!, recharge(100n))]);
    replicated.part();
    const first = await giveUp(server, commands);
    const calls = commands.map((command) => callOf(commitAll(other, [command])));
    const answers = Promise.all(calls.map(({ results }) => results)).then((all) => all.flat());
    await callOf(answers).waits(first, commands.length);
    for (const call of calls) expect(call.isAnswered()).toBe(false);
    return { answers };
  }

  test("not at all if that cannot be found out", async () => {
    const charge = of(idOf("ada", "unknown"), named(recharge(5n), "charge"));
    replicated.part();
    const first = await giveUp(server, [charge]);
    await giveUp(other, [charge], first);
    await replicated.rejoin();
    expect(await commitAll(other, [charge])).toMatchObject([{ replayed: true }]);
  });

  test("when the standby has it", async () => {
    const { answers } = await repeated("follows");
    await replicated.rejoin();
    expect(await answers).toMatchObject([
      { entry: { sequence: 2n }, replayed: true },
      { entry: undefined, replayed: true },
      { account: { sequence: 0n }, created: false },
    ]);
  });

  test("also of a GetOrCreate whose account got policies", async () => {
    const eve = of(idOf("eve", "policies"), open());
    replicated.part();
    const low = { name: "low", rule: { kind: "alert", below: 3n } } as const;
    const first = await giveUp(server, [eve], [], { firstPolicies: () => [low] });
    const call = callOf(commitAll(other, [eve]));
    await call.waits(first);
    await replicated.rejoin();
    expect(await call.results).toMatchObject([{ account: { sequence: 1n }, created: false }]);
  });

  test("as new when the standby is promoted without it", async () => {
    const { answers } = await repeated("promoted");
    await replicated.promote();
    await replicated.rejoin();
    expect(await answers).toMatchObject([
      { entry: { sequence: 2n }, replayed: false },
      { entry: undefined, replayed: false },
      { account: { sequence: 0n }, created: true },
    ]);
    await auditDatabase(replicated.url());
  });
});

test("a call that waits longer than a connection may be silent gets the first decision", async () => {
  const [ada, bob] = [idOf("ada", "silent"), idOf("bob", "silent")];
  const impatient = await connect(500);
  onTestFinished(() => impatient.close());
  await commitAll(impatient, [of(ada, recharge(100n))]);
  replicated.part();
  const known = callOf(commitAll(impatient, [of(ada, consume(5n))]));
  const made = callOf(commitAll(impatient, [of(bob, recharge(7n))]));
  await known.waits([], 2);
  // Their connections are given up. The next ones wait for the locks of those that wait.
  await until("both of those are waited for", async () => {
    const sql = "select distinct transactionid from pg_locks where not granted";
    return (await replicated.query(`${sql} and locktype = 'transactionid'`)).length === 2;
  });
  expect([known.isAnswered(), made.isAnswered()]).toEqual([false, false]);

  await replicated.rejoin();
  expect(await known.results).toMatchObject([{ entry: { sequence: 2n }, replayed: false }]);
  expect(await made.results).toMatchObject([{ created: true, account: { balance: 7n } }]);
  expect(await replicated.query(entriesOf(ada))).toHaveLength(2);
  expect(await replicated.query(entriesOf(bob))).toHaveLength(1);
});

test("a role whose setting hides warnings gets them all the same", async () => {
  const ada = idOf("ada", "warned");
  const deaf = await connectAs("client_min_messages = error");
  await commitAll(deaf, [of(ada, recharge(100n))]);
  replicated.part();
  const call = callOf(commitAll(deaf, [of(ada, consume(5n))]));
  const first = await call.waits();
  await replicated.endWaiting("pg_cancel_backend");
  await call.waits(first);
  await replicated.rejoin();
  expect(await call.results).toMatchObject([{ entry: { sequence: 2n } }]);
});

test("whose session waits for no standby is not made to wait for one, and it is seen", async () => {
  const ada = idOf("ada", "local");
  const gap = { what: "synchronous_commit = local", mend: "set synchronous_commit to on" };
  expect(await durabilityGaps(server.em.fork())).not.toContainEqual(gap);
  const local = await connectAs("synchronous_commit = local");
  expect(await durabilityGaps(local.em.fork())).toContainEqual(gap);
  replicated.part();
  const first = of(ada, named(recharge(100n), "first"));
  expect(await commitAll(local, [first])).toMatchObject([{ replayed: false }]);
  expect(await commitAll(local, [first])).toMatchObject([{ replayed: true }]);
});

test("where there is no standby a repeat commits nothing", async () => {
  const ada = idOf("ada", "lonely");
  const first = of(ada, named(recharge(100n), "first"));
  await commitAll(server, [first]);
  await setStandbys("''");
  onTestFinished(() => setStandbys("default"));
  let isCommitted = false;
  void proxy.cutNext("before COMMIT").then(() => (isCommitted = true));
  expect(await commitAll(server, [first])).toMatchObject([{ replayed: true }]);
  expect(isCommitted).toBe(false);
  await commitAll(server, [of(ada, consume(5n))]);
  expect(isCommitted).toBe(true);
});

function connect(answerMaxMs = 0): Promise<Orm> {
  return openOrm(`postgresql://server@127.0.0.1:${proxy.port}/points`, 5, { answerMaxMs });
}

/** With a setting of the servers' role. */
async function connectAs(setting: string): Promise<Orm> {
  await replicated.query(`alter role server set ${setting}`);
  const orm = await connect();
  onTestFinished(async () => {
    await orm.close();
    await replicated.query("alter role server reset all");
  });
  return orm;
}

async function setStandbys(names: string): Promise<void> {
  await replicated.query(`alter system set synchronous_standby_names = ${names}`);
  await reloadConfiguration((sql) => replicated.query(sql));
}

/** A call that must not be answered as long as COMMITs wait. */
function callOf(results: Promise<readonly Result[]>) {
  let answered: readonly Result[] | undefined;
  void results.then((all) => (answered = all));
  return {
    results,
    isAnswered: () => answered !== undefined,
    /** Resolves once so many COMMITs wait beside those; with the names of all that wait. */
    async waits(beside: readonly string[] = [], count = 1): Promise<string[]> {
      let waiting: string[] = [];
      await until("a COMMIT waits", async () => {
        expect(answered, "what was answered while the standby is away").toBe(undefined);
        waiting = await replicated.waiting();
        return waiting.filter((name) => !beside.includes(name)).length >= count;
      });
      return waiting;
    },
  };
}

/** Commits without retries: the callers get UNKNOWN. */
async function giveUp(
  orm: Orm,
  commands: readonly Command[],
  beside: readonly string[] = [],
  options: CommitOptions = {},
) {
  const gone = new AbortController();
  const results = commitAll(orm, commands, { ...options, gone: gone.signal });
  const waiting = await callOf(results).waits(beside);
  gone.abort();
  await replicated.endWaiting("pg_cancel_backend");
  expect(await results).toMatchObject(commands.map(() => ({ outcome: "UNKNOWN" })));
  return waiting;
}

function of<T extends Command>(userId: string, command: T): T {
  return { ...command, userId };
}

/** Each test has accounts of its own. */
function idOf(user: string, name: string): string {
  return `${user}-${name.replaceAll(/\W+/g, "-")}`;
}

function entriesOf(userId: string): string {
  return `select from points.entry where user_id = '${userId}'`;
}
