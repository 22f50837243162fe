import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { Browser, Page } from "playwright-core";
import { PointsService } from "../gen/points/v1/points_pb.ts";
import { hasBrowser, launchBrowser } from "../test/console/chromium.ts";
import { startCluster } from "./cluster.ts";
import { lookAtMachine } from "./machine.ts";
import { median } from "./results.ts";
import { seed } from "./seed.ts";
import { startPoints, stopServers } from "./servers.ts";

// `npm run bench:console`: how long a browser takes until screens of an account with 100,000 entries
// show what they are about, from an empty cache: seven times each, in turn. The goal is a second.

const ENTRIES = 100_000;
const TIMES = 7;
const GOAL_MS = 1_000;
const PREFIX = "hot--";
const USER = `${PREFIX}0000001`;

type Screen = {
  readonly name: string;
  readonly path: string;
  /** Waits for what the screen is about. */
  readonly shown: (page: Page) => Promise<void>;
};

if (!hasBrowser) throw new Error("there is no browser: see test/console/chromium.ts");
const cluster = await startCluster();
let browser: Browser | undefined;
try {
  const { cpu, cores, commit, postgres } = await lookAtMachine(cluster);
  console.log(`${cpu}, ${cores} cores, PostgreSQL ${postgres}, commit ${commit}`);
  const database = await cluster.createDatabase("console");
  await seed(database, { prefix: PREFIX, accounts: 1, lots: 1, consumes: ENTRIES - 1 });
  const server = await startPoints(database.url, {});
  const client = createClient(PointsService, createGrpcTransport({ baseUrl: server.url }));
  const { account } = await client.getAccount({ userId: USER });
  const screens = screensOf(account!.balance);
  browser = await launchBrowser();
  const took = new Map(screens.map(({ name }) => [name, [] as number[]]));
  for (let time = 0; time < TIMES; time += 1) {
    for (const screen of screens) {
      took.get(screen.name)!.push(await open(browser, server.url, screen));
    }
  }
  console.log(
    `\nms until a screen shows an account of ${account!.sequence} entries, and the median`,
  );
  for (const [name, all] of took) report(name, all);
} finally {
  await browser?.close();
  await stopServers();
  await cluster.remove();
}

function screensOf(balance: bigint): readonly Screen[] {
  const figure = new Intl.NumberFormat("en-US").format(balance);
  return [
    {
      name: "account",
      path: `/account?user=${USER}`,
      shown: (page) => page.getByText(figure).first().waitFor(),
    },
    {
      name: "statement",
      path: `/statement?user=${USER}`,
      shown: (page) => page.getByRole("link", { name: `#${ENTRIES}`, exact: true }).waitFor(),
    },
    {
      name: "entry",
      path: `/entry?user=${USER}&sequence=${ENTRIES / 2}`,
      shown: (page) => page.getByText(/lot #1, .*nothing refunded/).waitFor(),
    },
  ];
}

/** As somebody who has never been there. */
async function open(chromium: Browser, url: string, { path, shown }: Screen): Promise<number> {
  const context = await chromium.newContext({ locale: "en-US" });
  const page = await context.newPage();
  const startedAt = performance.now();
  await page.goto(`${url}/console${path}`, { waitUntil: "commit" });
  await shown(page);
  const ms = performance.now() - startedAt;
  await context.close();
  return ms;
}

function report(name: string, all: readonly number[]): void {
  const middle = median(all);
  const each = all.map((ms) => ms.toFixed(0).padStart(5)).join(" ");
  const verdict = middle <= GOAL_MS ? "" : "  more than the goal";
  console.log(`${name.padEnd(10)} ${each}   ${middle.toFixed(0)}${verdict}`);
}
