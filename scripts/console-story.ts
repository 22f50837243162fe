/**
 * Serves the console with a story to look at, the last six weeks of a small video product, until Ctrl-C:
 * `npm run console:story`. Its ledger is a new one in a temporary folder.
 */
import { once } from "node:events";
import { stopServers } from "../bench/servers.ts";
import { PERSON, serveStory } from "../test/console/story-server.ts";
import { tokenOf } from "../test/support/callers.ts";
import { openRunFolder } from "../test/support/run-folder.ts";

const run = await openRunFolder();
const url = await serveStory(run.folder, new Date());
console.log(`Console: ${url}/console/account?user=ada (others: grace, team-lighthouse)
Token: ${tokenOf(PERSON)}
Stop: Ctrl-C`);
await once(process, "SIGINT");
await stopServers();
await run.close();
