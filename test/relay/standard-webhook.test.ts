import { expect, test } from "vitest";
import { readSecrets, webhookHeaders } from "../../src/relay/standard-webhook.ts";

// The vector of the specification's own libraries.
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SIGNED = {
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: 1_614_265_330,
  body: '{"test": 2432232314}',
};
const SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

test("the headers are those of the specification's vector", () => {
  expect(webhookHeaders(SIGNED, readSecrets(SECRET, "FEED_SECRET"))).toEqual({
    "webhook-id": SIGNED.id,
    "webhook-timestamp": "1614265330",
    "webhook-signature": SIGNATURE,
  });
});

test("while a secret is replaced, there is a signature by each", () => {
  const other = `whsec_${Buffer.alloc(64, 7).toString("base64")}`;
  const headers = webhookHeaders(SIGNED, readSecrets(` ${other}  ${SECRET}`, "FEED_SECRET"));
  const signatures = headers["webhook-signature"]!.split(" ");
  expect(signatures).toHaveLength(2);
  expect(signatures[0]).not.toBe(SIGNATURE);
  expect(signatures[1]).toBe(SIGNATURE);
});

test.each([
  ["there is none", "", "FEED_SECRET is missing"],
  ["it has no prefix", SECRET.slice(6), "secret 1 of FEED_SECRET is not whsec_"],
  ["one of two is no base64", `${SECRET} whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!`, "secret 2 of"],
  ["it is too short", `whsec_${Buffer.alloc(23).toString("base64")}`, "secret 1 of"],
  ["it is too long", `whsec_${Buffer.alloc(65).toString("base64")}`, "secret 1 of"],
])("a secret is refused, and not repeated, if %s", (_, text, says) => {
  const refused = () => readSecrets(text, "FEED_SECRET");
  expect(refused).toThrow(says);
  expect(refused).not.toThrow(/MfKQ|AAAA/);
});
