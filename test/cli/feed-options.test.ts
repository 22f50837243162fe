import { expect, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { WrongUsage } from "../../src/cli/arguments.ts";
import { readFeedOptions } from "../../src/cli/feed-options.ts";

const SECRET = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;

test("the options of a feed are read", () => {
  const args = ["--cursor=c", "--from=0", "--kind=set_policy", "--kind=set_policy", "--alert=low"];
  const webhook = ["--webhook=https://host/path", "--dead-letters=d", "--give-up-after=2h"];
  expect(readFeedOptions([...args, ...webhook], SECRET)).toMatchObject({
    source: { kind: "stream", cursorPath: "c", from: "0" },
    filter: { kinds: [EntryKind.SET_POLICY], alerts: new Set(["low"]), userIdPrefix: "" },
    target: { kind: "webhook", url: "https://host/path", secrets: [Buffer.alloc(32, 3)] },
    deadLettersPath: "d",
    limits: { giveUpMs: 7_200_000 },
  });
  expect(readFeedOptions(["--cursor=c"], undefined)).toMatchObject({
    source: { from: "" },
    target: { kind: "output" },
    limits: { giveUpMs: 259_200_000 },
  });
});

test.each([
  [[], "--cursor FILE is missing"],
  [["--cursor=c", "--from=17"], "--from takes now or 0, and not 17"],
  [["--cursor=c", "--kind=spend"], "--kind takes one of recharge, consume, expire"],
  [["--cursor=c", "--webhook=ftp://host/"], "--webhook takes an http or https URL"],
  [["--cursor=c", "--webhook=http://u:pw@host/"], "without a user's name or password"],
  [["--cursor=c", "--webhook=http://host/", "--exec=cat"], "start a feed for each target"],
  [["--cursor=c", "--dead-letters=d"], "--dead-letters needs --webhook or --exec"],
  [["--cursor=c", "--give-up-after=1h"], "--give-up-after needs --dead-letters"],
  [["--cursor=c", "--resend=d"], "--resend and --cursor exclude each other"],
  [["--resend=d", "--dead-letters=./d", "--exec=cat"], "take two files"],
])("a wrong command line %j is refused", (args, says) => {
  const read = () => readFeedOptions(args, SECRET);
  expect(read).toThrow(WrongUsage);
  expect(read).toThrow(says);
  expect(read).not.toThrow("pw");
});
