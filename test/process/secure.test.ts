import { writeFile } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";
import { clientWith, tokenOf, writeCallers } from "../support/callers.ts";
import { makeAuthority, writeCertificate } from "../support/certificates.ts";
import { testDatabase } from "../support/database.ts";
import { refusalOf } from "../support/error-info.ts";
import { runPoints, startPoints, temporaryFolder, until } from "../support/processes.ts";

const READ = { scopes: ["points.read"] };

test.each(["1", "2"])(
  "with TLS and callers a server of %s processes listens to all, and hears of new callers",
  async (WORKERS) => {
    const database = await testDatabase();
    onTestFinished(() => database.close());
    const folder = await temporaryFolder();
    const authority = await makeAuthority();
    const ca = `${folder}/ca.crt`;
    await writeFile(ca, authority.cert);
    const points = await startPoints({
      ...(await writeCertificate(folder, await authority.sign("localhost"))),
      ...(await writeCallers(folder, { one: READ })),
      DATABASE_URL: database.url,
      LISTEN: "0.0.0.0:0",
      WORKERS,
    });
    expect(points.stdout()).toMatch(/JSON; TLS\)/);
    const POINTS_URL = `https://localhost:${points.port}`;
    const as = (name: string) => clientWith(POINTS_URL, tokenOf(name), { ca: authority.cert });
    await as("one").getPriceList({});
    expect((await refusalOf(as("two").getPriceList({}))).code).toBe("Unauthenticated");

    const environment = { POINTS_URL, POINTS_TOKEN: tokenOf("one"), NODE_EXTRA_CA_CERTS: ca };
    const { stderr } = await runPoints(environment, ["account", "ada"]).exit;
    expect(stderr).toMatch(/user ada has no account/);
    const { POINTS_TOKEN: _, ...withoutToken } = environment;
    const refused = await runPoints(withoutToken, ["account", "ada"]).exit;
    expect(refused.stderr).toMatch(/no token was sent \(UNAUTHENTICATED\)/);

    await writeCallers(folder, { two: READ });
    points.child.kill("SIGHUP");
    await until("all processes have heard of it", async () => {
      const calls = Array.from({ length: 8 }, () => as("two").getPriceList({}));
      return (await Promise.allSettled(calls)).every(({ status }) => status === "fulfilled");
    });
    const { code, stderr: log } = await points.end("SIGTERM");
    expect(code).toBe(0);
    expect(log).toContain("the callers have been read again");
  },
);

test("a token that cannot be sent is not printed", async () => {
  const environment = { POINTS_TOKEN: "first-token\nsecond-token" };
  expect(await runPoints(environment, ["whoami"]).exit).toMatchObject({
    code: 1,
    stdout: "",
    stderr: "points: POINTS_TOKEN is no token: it has spaces, line breaks or other signs\n",
  });
});
