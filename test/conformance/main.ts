import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { mount } from "../support/mount.ts";
import { testServiceRoutes } from "./test-service.ts";
import { fetchTools, readRegistry, type Tools } from "./tools.ts";

const HELP = `npm run conformance [-- options of connectconformance]

Has the suite of ConnectRPC and the interop client of grpc-go call the listener, with their own
services on it, and ends with 1 if a case fails that is not in known-failing.txt. It needs Go, and
at the first time some minutes to build the two. With options, such as --run 'Basic/**', --trace or
-v, only the suite runs.`;

/** All cases except those that need Google's cloud or load reports. */
const INTEROP_CASES = [
  "empty_unary",
  "large_unary",
  "client_streaming",
  "server_streaming",
  "ping_pong",
  "empty_stream",
  "timeout_on_sleeping_server",
  "cancel_after_begin",
  "cancel_after_first_response",
  "status_code_and_message",
  "special_status_message",
  "custom_metadata",
  "unimplemented_method",
  "unimplemented_service",
  "pick_first_unary",
  "rpc_soak",
  "channel_soak",
];
const CASE_MAX_MS = 60_000;

const options = process.argv.slice(2);
if (options.includes("--help")) {
  console.log(HELP);
} else {
  const tools = await fetchTools();
  const isWhole = await passesSuite(tools, options);
  const isInterop = options.length > 0 || (await passesInterop(tools));
  process.exitCode = isWhole && isInterop ? 0 : 1;
}

/** The suite prints its count. */
async function passesSuite(
  { runner, runnerTypes }: Tools,
  more: readonly string[],
): Promise<boolean> {
  const files = ["--conf", "test/conformance/config.yaml"];
  const known = ["--known-failing", "@test/conformance/known-failing.txt"];
  // It waits ten seconds for a server: a busy machine cannot start several at once in that time.
  const oneByOne = ["--max-servers", "1"];
  const served = [process.execPath, "test/conformance/served.ts", runnerTypes];
  const args = ["--mode", "server", ...files, ...known, ...oneByOne, ...more, "--", ...served];
  const [code] = await once(spawn(runner, args, { stdio: "inherit" }), "exit");
  return code === 0;
}

async function passesInterop({ interopClient, interopTypes }: Tools): Promise<boolean> {
  const registry = await readRegistry(interopTypes);
  const listener = await mount(testServiceRoutes(registry), { maxBytes: 0xffffffff });
  const { host, port } = listener.address;
  let passed = 0;
  for (const name of INTEROP_CASES) {
    const args = [`-server_host=${host}`, `-server_port=${port}`, `-test_case=${name}`];
    try {
      await promisify(execFile)(interopClient, args, { timeout: CASE_MAX_MS });
      passed += 1;
    } catch (error) {
      console.error(`FAILED: grpc-go, ${name}: ${(error as { stderr?: string }).stderr}`);
    }
  }
  console.log(`grpc-go: ${passed} of ${INTEROP_CASES.length} passed`);
  await listener.close(0);
  return passed === INTEROP_CASES.length;
}
