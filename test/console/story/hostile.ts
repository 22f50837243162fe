import { CalendarUnit } from "../../../gen/points/v1/policy_pb.ts";
import { parsePrices } from "../../../src/rpc/price-file.ts";
import type { Scene } from "./tell.ts";

// Every text that a caller can write, as an attack would. Each sets `hacked` of the window that runs
// it. Names without spaces have slashes, which HTML's parser takes for the same.

/** A text that a page which does not escape would run. */
export const HOSTILE_TEXT = `"><img src=x onerror="window.hacked=1"><script>window.hacked=2</script>`;

/** A user id, a service, a name of a policy: printable characters without spaces. */
export const HOSTILE_NAME = `<img/src=x/onerror=hacked=3>`;

/** A link's target, if a page made links of texts. */
const LINK = "javascript:window.hacked=4";

/** Ids that mean something in addresses and in JavaScript. */
export const HOSTILE_USERS = [
  HOSTILE_NAME,
  "..",
  "/",
  "%",
  "a&b=c#d?e",
  "{{constructor.constructor('hacked=5')()}}",
  "__proto__",
  "x".repeat(128),
];

/** A price list whose names are hostile. */
export const HOSTILE_PRICES = parsePrices(
  JSON.stringify({
    version: HOSTILE_NAME,
    services: {
      [HOSTILE_NAME]: {
        metered: { meters: [{ points: 3, per: 2, of: HOSTILE_NAME }] },
      },
    },
  }),
  "hostile.yaml",
);

/** A life of each of them, with every kind of text in it that an account may have. */
export function hostileScenes(): readonly Scene[] {
  return HOSTILE_USERS.flatMap(lifeOf);
}

function lifeOf(userId: string): Scene[] {
  const by = HOSTILE_NAME;
  const said = {
    userId,
    actor: HOSTILE_TEXT,
    metadata: { [HOSTILE_NAME]: HOSTILE_TEXT, reason: HOSTILE_TEXT, link: LINK, order: LINK },
  };
  const window = { span: { case: "calendar", value: CalendarUnit.DAY } } as const;
  const limit = { points: 500n, window, member: HOSTILE_TEXT, service: HOSTILE_NAME };
  const category = HOSTILE_NAME.slice(0, 32);
  const lot = { points: 100n, category, services: [HOSTILE_NAME] };
  const value = { service: HOSTILE_NAME, ...measured() };
  const cost = { case: "usage", value } as const;
  const member = HOSTILE_TEXT;
  return [
    {
      when: "-9 09:00",
      by,
      asks: { case: "recharge", value: { ...said, requestId: `${HOSTILE_NAME}1`, ...lot } },
    },
    {
      when: "-9 09:01",
      by,
      asks: {
        case: "putPolicy",
        value: {
          ...said,
          requestId: `${HOSTILE_NAME}2`,
          policy: { name: HOSTILE_NAME, rule: { case: "limit", value: limit } },
        },
      },
    },
    {
      when: "-8 09:00",
      by,
      asks: { case: "consume", value: { ...said, requestId: `${HOSTILE_NAME}3`, cost, member } },
    },
    {
      when: "-2 09:00",
      by,
      asks: (numberOf) => ({
        case: "refund",
        value: {
          ...said,
          requestId: `${HOSTILE_NAME}4`,
          sequence: numberOf(`${HOSTILE_NAME}3`),
          points: 5n,
        },
      }),
    },
    {
      when: "-12m",
      by,
      asks: { case: "freeze", value: { ...said, requestId: `${HOSTILE_NAME}5`, cost, member } },
    },
  ];
}

function measured() {
  return {
    meters: { [HOSTILE_NAME]: 20n, "javascript:hacked=6": 1n },
    attributes: { [HOSTILE_NAME]: HOSTILE_NAME, plan: "javascript:hacked=7" },
  };
}
