import { parseArgs } from "node:util";
import { CREATE_CONSUME } from "./baselines/function.ts";
import { startCluster } from "./cluster.ts";
import { inFlightOf, POPULATIONS, QUICK, type Row, ROWS, rowsNamed } from "./rows.ts";
import { runRow } from "./run.ts";
import { seed } from "./seed.ts";
import { type Server, startOrmServer, startPoints } from "./servers.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rows: { type: "string", default: "" },
    env: { type: "string", multiple: true, default: [] },
    seconds: { type: "string" },
    repeats: { type: "string" },
    connections: { type: "string", default: "1" },
  },
});
const names = options.rows.split(",").filter((name) => name !== "");
const chosen =
  names.length > 0 ? rowsNamed(ROWS, names) : ROWS.filter(({ name }) => !options.quick || QUICK.has(name));
const environment = Object.fromEntries(options.env.map((pair) => pair.split("=", 2)));
const repeats = Number(options.repeats ?? (options.quick ? 1 : 3));
const seconds = Number(options.seconds ?? (options.quick ? 2 : 5));

const cluster = await startCluster();
const servers: Server[] = [];
let isWrong = false;
const cleanUp = async () => {
  for (const server of servers) await server.stop();
  await cluster.remove();
};
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)));
}
try {
  const database = await cluster.createDatabase("bench");
  const prefixes = new Set(chosen.map(({ spread }) => spread.prefix));
  for (const population of POPULATIONS.filter(({ prefix }) => prefixes.has(prefix))) {
    console.log(population, Math.round(await seed(database, population)), "entries/s");
  }
  await database.query(CREATE_CONSUME);
  const running: Partial<Record<Row["engine"], Promise<Server>>> = {};
  const serverFor = async ({ engine }: Row) => {
    const start = engine === "orm" ? startOrmServer(database.url) : undefined;
    running[engine] ??= start ?? startPoints(database.url, environment);
    const server = await running[engine];
    servers.push(server);
    return server;
  };
  const place = { cluster, database, serverFor, connections: Number(options.connections), warmSeconds: 1, seconds };
  for (let repeat = 1; repeat <= repeats; repeat += 1) {
    for (const row of chosen) {
      const { measured: m, wrong } = await runRow(place, row);
      const us = (n: number | undefined) => (n === undefined ? "-" : n.toFixed(0)).padStart(5);
      console.log(
        row.name.padEnd(22), inFlightOf(row).padStart(9), m.operationsPerSecond.toFixed(0).padStart(7), "op/s  p50", m.p50Ms.toFixed(2).padStart(7),
        "p99", m.p99Ms.toFixed(2).padStart(7), "p99.9", m.p999Ms.toFixed(2).padStart(7), "ms  µs server", us(m.serverCpuMicros), "pg", us(m.postgresCpuMicros), "load", us(m.loadCpuMicros),
        " WAL", us(m.walBytes), " batch", m.batchOperations.toFixed(1).padStart(6), " RSS", us((m.serverRssBytes ?? NaN) / 2 ** 20), "MB",
      );
      for (const what of wrong) console.error(`${row.name}: ${what}`);
      isWrong ||= wrong.length > 0;
    }
  }
} finally {
  await cleanUp();
}
process.exitCode = isWrong ? 1 : 0;
