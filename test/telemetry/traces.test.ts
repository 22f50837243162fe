import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { testDatabase } from "../support/database.ts";
import { clientsOf } from "../support/load.ts";
import { startPoints } from "../support/processes.ts";

type Span = {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly links?: { readonly spanId: string }[];
  readonly attributes: { readonly key: string; readonly value: Record<string, unknown> }[];
};

const USER = "somebody-whose-name-is-nowhere";
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

test("a call is a span in its caller's trace, and its batch is linked to it", async () => {
  const collector = await startCollector();
  const server = await serverWith({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  const [client] = clientsOf(server, 1);
  const headers = { traceparent: `00-${TRACE}-${CALLER}-01` };
  await client!.recharge({ userId: USER, points: 10n }, { headers });
  const cost = { case: "points" as const, value: 11n };
  await expect(client!.consume({ userId: USER, cost }, { headers })).rejects.toThrow("11 points");
  async function* requests() {
    yield { operation: { operation: { case: "consume" as const, value: { userId: USER, cost } } } };
  }
  for await (const { result } of client!.apply(requests(), { headers })) {
    expect(result?.result.case).toBe("error");
  }
  const unsampled = { traceparent: `00-${TRACE}-${CALLER}-00` };
  await client!.recharge({ userId: USER, points: 10n }, { headers: unsampled });
  await server.end("SIGTERM");

  const bodies = collector.bodies();
  const spans = bodies.flatMap(spansIn);
  const rpcs = spans.filter(({ name }) => name.startsWith("points.v1.PointsService/"));
  expect(rpcs.map(({ name }) => name.split("/")[1])).toEqual(["Recharge", "Consume", "Apply"]);
  expect(rpcs.map(codeOf)).toEqual([0, 9, 0]);
  for (const { traceId, parentSpanId } of rpcs) {
    expect({ traceId, parentSpanId }).toEqual({ traceId: TRACE, parentSpanId: CALLER });
  }
  const batches = spans.filter(({ name }) => name === "batch");
  expect(batches.map(linkedTo)).toEqual(rpcs.map(({ spanId }) => [spanId]));
  expect(rpcs.map(linkedTo)).toEqual(batches.map(({ spanId }) => [spanId]));
  expect(spans).toHaveLength(6);
  expect(bodies.join()).not.toContain(USER);
  expect(bodies.join()).not.toMatch(/select|insert|update/i);
});

test("without a collector all calls are answered, and a stop does not wait", async () => {
  const server = await serverWith({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" });
  const [client] = clientsOf(server, 1);
  const { account } = await client!.recharge({ userId: USER, points: 10n });
  expect(account?.balance).toBe(10n);
  expect((await server.end("SIGTERM")).code).toBe(0);
});

function codeOf({ attributes }: Span): number {
  const { value } = attributes.find(({ key }) => key === "rpc.grpc.status_code")!;
  return Number(value["intValue"]);
}

function linkedTo({ links = [] }: Span): string[] {
  return links.map(({ spanId }) => spanId);
}

function spansIn(body: string): Span[] {
  const { resourceSpans } = JSON.parse(body) as {
    resourceSpans: { scopeSpans: { spans: Span[] }[] }[];
  };
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

async function serverWith(environment: Record<string, string>) {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  return startPoints({ DATABASE_URL: database.url, ...environment });
}

/** Receives OTLP over HTTP, as JSON. */
async function startCollector() {
  const bodies: string[] = [];
  const server = createServer((request, response) => void take(request, response));
  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === "/v1/traces") bodies.push(await text(request));
    response.setHeader("content-type", "application/json").end("{}");
  }
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, bodies: () => bodies };
}
