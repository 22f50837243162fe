import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SCOPES } from "../../src/auth/caller.ts";
import { writeCallers } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { makeFolder } from "../support/run-folder.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { hasBrowser, testBrowser } from "./browser.ts";
import { faultsBySight, faultsOf } from "./looks.ts";
import { LANGUAGES, LOOKS, openScreen, SCREENS } from "./screens.ts";
import { PERSON, STORY_SETTINGS, summedUp } from "./story-server.ts";
import { storyNames, tellStory } from "./story.ts";

// `npm run console:pictures` looks at each screen in each look and language. Here each has one of each,
// so that all have a part in every run.

describe.skipIf(!hasBrowser)("every screen", () => {
  let database: TestDatabase;
  let server: TestServer;
  const now = new Date();
  beforeAll(async () => {
    database = await testDatabase();
    await tellStory(database.orm, now.getTime());
    const callers = await writeCallers(await makeFolder("callers"), {
      [PERSON]: { scopes: [...SCOPES] },
    });
    server = await testServer({ ...callers, ...STORY_SETTINGS }, database);
    await summedUp(server.baseUrl, now);
  });
  afterAll(async () => {
    await server.stop();
    await database.close();
  });

  test.for(SCREENS.map((screen, at) => ({ screen, at })))(
    "$screen.name has nothing cut, overlapping, pale, not translated or inaccessible",
    async ({ screen, at }) => {
      const look = LOOKS[at % LOOKS.length]!;
      const language = LANGUAGES[at % LANGUAGES.length]!;
      const { baseUrl } = server;
      const page = await openScreen(await testBrowser(), { baseUrl, screen, look, language });
      const expected = { language: language.name, names: storyNames() };
      expect(await faultsOf(page, expected)).toEqual([]);
      await page.setViewportSize({ width: look.width === 400 ? 1_100 : 400, height: 800 });
      await expect.poll(() => faultsBySight(page, expected)).toEqual([]);
      await page.context().close();
    },
  );
});
