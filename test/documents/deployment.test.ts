import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { describeConfig, readConfig } from "../../src/config/environment.ts";
import { checkInsecureListen } from "../../src/server/insecure-listen.ts";

// None of this is run here: so at least what it names must be there.

const VARIABLES = [...describeConfig().matchAll(/^ {2}([A-Z_]+) /gm)].map(([, name]) => name);
const dockerfile = await readFile("Dockerfile", "utf8");
const compose = parse(await readFile("compose.yaml", "utf8")) as {
  services: Record<"points" | "postgres", Service>;
};
const [deployment, service, budget] = parseAllDocuments(
  await readFile("ops/kubernetes/points.yaml", "utf8"),
).map((document) => document.toJS()) as [Deployment, { spec: ServiceSpec }, Budget];
const pod = deployment.spec.template.spec;
const [container] = pod.containers;

/** The image's own configuration, and its ports. */
const imageEnvironment = Object.fromEntries(
  [.../^ENV (.*)$/m.exec(dockerfile)![1]!.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [
    name!,
    value!,
  ]),
);
const image = readConfig(imageEnvironment);
const ports = [image.listen.port, (image.adminListen as { port: number }).port];

test("the image has all that the server reads, and says which ports it has", async () => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--)(.+) \S+$/gm)].flatMap(([, names]) =>
    names!.split(" "),
  );
  const ignored = await readFile(".dockerignore", "utf8");
  for (const name of copied) {
    await expect(stat(name), `${name} is there`).resolves.toBeDefined();
    // A folder lets in what is below it.
    expect(ignored.split("\n")).toContain(`!${name.split("/")[0]}`);
  }
  expect(copied).toEqual(expect.arrayContaining(["src", "gen", "prices.yaml"]));
  // What is built there, and nothing that lies here.
  expect(dockerfile).toContain("COPY --from=console /points/console/dist console/dist\n");
  expect(ignored).toContain("\n!console\nconsole/dist\n");
  const [, compiled] = /--eval 'import\("(.+)"\)'/.exec(dockerfile)!;
  await expect(stat(compiled!), `${compiled} is there`).resolves.toBeDefined();
  expect(image.listen.host).toBe("0.0.0.0");
  expect(dockerfile).toContain(`EXPOSE ${ports.join(" ")}\n`);
  expect(dockerfile).toContain(`http://127.0.0.1:${ports[1]}/readyz`);
});

test("compose sets variables that there are, and waits for the drain", () => {
  const { points, postgres } = compose.services;
  for (const name of Object.keys(points.environment)) expect(VARIABLES).toContain(name);
  expect(points.ports).toEqual(ports.map((port) => `127.0.0.1:${port}:${port}`));
  const { INSECURE } = points.environment;
  expect(() => checkInsecureListen(readConfig({ ...imageEnvironment, INSECURE }))).not.toThrow();
  const { DATABASE_URL: url } = points.environment;
  const { POSTGRES_USER: user, POSTGRES_DB: name } = postgres.environment;
  expect(url).toContain(`postgresql://${user}:`);
  expect(url).toMatch(new RegExp(`@postgres:5432/${name}$`));
  const { lameDuckMs, drainMs } = readConfig({
    ...imageEnvironment,
    LAMEDUCK_MS: points.environment["LAMEDUCK_MS"],
  });
  const graceMs = Number.parseInt(points.stop_grace_period, 10) * 1000;
  expect(lameDuckMs).toBe(5_000);
  expect(graceMs).toBeGreaterThan(lameDuckMs + drainMs);
});

test("the manifests name ports, variables and labels that there are, and wait for the drain", () => {
  const variables = container.env.map(({ name }) => name);
  for (const name of variables) expect(VARIABLES).toContain(name);
  const given = container.env.flatMap(({ name, value }) =>
    value === undefined ? [] : [[name, value]],
  );
  const config = readConfig({ ...imageEnvironment, ...Object.fromEntries(given) });
  expect(checkInsecureListen(config)).toEqual([expect.stringContaining("metrics")]);
  const { lameDuckMs, drainMs, tlsCert, tlsKey, callers } = config;
  const folders = container.volumeMounts.map(({ mountPath }) => mountPath);
  for (const path of [tlsCert, tlsKey, callers]) expect(folders).toContain(dirname(path!));
  const graceMs = pod.terminationGracePeriodSeconds * 1000;
  expect(graceMs).toBeGreaterThan(lameDuckMs + drainMs);
  // Who asks so often hears of a stop before the port closes.
  expect(lameDuckMs).toBeGreaterThanOrEqual(container.readinessProbe.periodSeconds * 1000);

  expect(container.ports.map(({ containerPort }) => containerPort)).toEqual(ports);
  expect(service.spec.ports[0]!.port).toBe(ports[0]);
  const { labels, annotations } = deployment.spec.template.metadata;
  expect(annotations["prometheus.io/port"]).toBe(String(ports[1]));
  for (const selector of [
    deployment.spec.selector.matchLabels,
    service.spec.selector,
    budget.spec.selector.matchLabels,
  ]) {
    expect(selector).toEqual(labels);
  }
  const { startupProbe, livenessProbe, readinessProbe } = container;
  const probes = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet);
  expect(probes.map(({ path }) => path)).toEqual(["/healthz", "/healthz", "/readyz"]);
  expect(probes.every(({ port }) => port === container.ports[1]!.name)).toBe(true);
  expect(budget.spec.minAvailable).toBeLessThan(deployment.spec.replicas);
});

type Service = {
  environment: Record<string, string>;
  ports: string[];
  stop_grace_period: string;
};

type Labels = Record<string, string>;
type Probe = { httpGet: { path: string; port: string }; periodSeconds: number };

type Deployment = {
  spec: {
    replicas: number;
    selector: { matchLabels: Labels };
    template: {
      metadata: { labels: Labels; annotations: Labels };
      spec: { terminationGracePeriodSeconds: number; containers: [Container] };
    };
  };
};

type Container = Record<"startupProbe" | "livenessProbe" | "readinessProbe", Probe> & {
  ports: { name: string; containerPort: number }[];
  env: { name: string; value?: string }[];
  volumeMounts: { mountPath: string }[];
};

type ServiceSpec = { selector: Labels; ports: { port: number }[] };
type Budget = { spec: { minAvailable: number; selector: { matchLabels: Labels } } };
