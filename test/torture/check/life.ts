import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Entry } from "../../../gen/points/v1/account_pb.ts";
import { GetPriceListResponseSchema, OperationSchema } from "../../../gen/points/v1/points_pb.ts";
import type { Clock } from "../deployment/clock.ts";
import type { Out } from "../deployment/guest.ts";
import { noDoubts } from "../load/doubts.ts";
import type { Asked, History, Outcome } from "../load/history.ts";
import { decide, type SetOperation } from "../oracle/decide.ts";
import { pricesOf } from "../oracle/pricing.ts";
import { dueDraft, isDue } from "../oracle/due.ts";
import { append, type Dated, emptyReplay, listedLots } from "../oracle/replay.ts";
import { microsOf, timestampOf } from "../oracle/time.ts";
import { fingerprintOf } from "./chain.ts";
import { checkAccount } from "./check.ts";
import {
  accountMessage,
  type Asked as AskedOf,
  bytesOf,
  entryMessage,
  holdMessage,
  lotMessage,
} from "./messages.ts";
import type { Reading } from "./read-account.ts";

type Init = NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>;

const USER = "ada";
const SALT = new Uint8Array(16).fill(1);
const REPLAYING = { userId: USER, salt: SALT };
const CALLER = "torturer";
const PRICES = pricesOf(create(GetPriceListResponseSchema, { priceVersion: "v1", prices: [] }));
const CALL_MS = 2;
const SYSTEM_CAUSE: AskedOf = {
  caller: "",
  requestId: "",
  fingerprint: new Uint8Array(),
  metadata: {},
  actor: "",
};

/**
 * A test fixture: an account's history, right or wrong, for the checker. It begins with 100 points
 * that expire at 60, 10 that never expire, and 30 of the first held until 40. Moments are
 * milliseconds.
 *
 * @param outs when its caller was out
 */
export function lifeWithHold(outs: readonly Out[] = []) {
  const life = newLife(outs);
  life.call(9, { case: "recharge", value: { points: 100n, expiration: until(60) } });
  life.call(11, { case: "recharge", value: { points: 10n } });
  const cost = { case: "points", value: 30n } as const;
  life.call(13, { case: "freeze", value: { cost, expiration: until(40) } });
  return life;
}

function newLife(outs: readonly Out[]) {
  const createTime = micros(10);
  const account = emptyReplay(createTime);
  const history: History = {
    userId: USER,
    caller: { name: CALLER, outs },
    asked: [],
    opened: [],
    openedFrom: Infinity,
  };
  const entries: Entry[] = [];
  // The account and the hold after each entry.
  const left: { account: Uint8Array; hold: Uint8Array | undefined }[] = [];
  let lastMoment = 0;
  let setBack = { since: Infinity, ms: 0 };

  const instantOf = (moment: number) =>
    micros(moment > setBack.since ? moment - setBack.ms : moment);
  const clock: Clock = {
    span: (start, end) => ({ from: instantOf(start), upTo: instantOf(end) }),
    now: () => micros(lastMoment),
    isSteady: () => true,
    change: () => () => {},
  };

  function write(draft: Dated, asked: AskedOf): void {
    append(account, draft);
    const previous = entries.at(-1)?.hash ?? new Uint8Array(32);
    const entry = entryMessage(previous, REPLAYING, draft, account, asked);
    entries.push(entry);
    account.hashes.set(account.sequence, entry.hash);
    const hold = account.holds.get(account.sequence);
    left.push({
      account: bytesOf.account(accountMessage(REPLAYING, account, createTime)),
      hold: hold && bytesOf.hold(holdMessage(hold)),
    });
  }

  function ask({ case: kind, value }: Init, start: number): Asked {
    const tag = `op-${history.asked.length + 1}`;
    const operation = { case: kind, value: { ...value, userId: USER, requestId: tag } } as Init;
    const made = create(OperationSchema, { operation }).operation as SetOperation;
    const [call, place, end] = [history.asked.length, 0, start + CALL_MS];
    const asked = {
      tag,
      operation: made,
      attempts: [{ start, end, call, place, outcome: undefined as Outcome | undefined }],
    };
    history.asked.push(asked);
    lastMoment = end;
    return asked;
  }

  function answer({ attempts: [attempt] }: Asked, sequence: bigint, hasEntry: boolean): void {
    const at = Number(sequence) - 1;
    attempt!.outcome = {
      kind: "applied",
      replayed: false,
      entry: hasEntry ? bytesOf.entry(entries[at]!) : undefined,
      ...left[at]!,
      sequence,
    };
  }

  return {
    /** Applies an operation, by default in the middle of its call. */
    call(start: number, init: Init, { time = start + CALL_MS / 2 } = {}): void {
      const asked = ask(init, start);
      const decided = decide(account, asked.operation, micros(time), PRICES);
      if (decided === undefined || "refused" in decided) throw new Error("it is not applied");
      const { requestId, metadata, actor } = asked.operation.value;
      const fingerprint = fingerprintOf(SALT, asked.operation);
      write(decided, { caller: CALLER, requestId, fingerprint, metadata, actor });
      answer(asked, account.sequence, true);
    },
    /** Refuses a Consume of one point more than the balance. */
    refuseTooMuch(start: number): void {
      const { balance } = account;
      const required = balance + 1n;
      const cost = { case: "points", value: required } as const;
      const has = { balance: `${balance}`, usable: `${balance}` };
      const metadata = { ...has, required: `${required}`, shortfall: "1" };
      const { attempts } = ask({ case: "consume", value: { cost } }, start);
      attempts[0]!.outcome = { kind: "refused", reason: "INSUFFICIENT_POINTS", metadata };
    },
    /** Books everything due by a moment; with a wrong time if one is given. */
    bookDue(by: number, wrong: { time?: number } = {}): void {
      while (isDue(account, micros(by))) {
        const draft = dueDraft(account)!;
        const time = wrong.time === undefined ? draft.time : micros(wrong.time);
        write({ ...draft, time }, SYSTEM_CAUSE);
      }
    },
    /** Answers an Expire of what is due with an entry, or without one. */
    answerDue(start: number, sequence: bigint | undefined): void {
      const asked = ask({ case: "expire", value: { target: { case: "due", value: true } } }, start);
      answer(asked, sequence ?? account.sequence, sequence !== undefined);
    },
    /** Removes the last entry. */
    forgetLast(): void {
      entries.pop();
    },
    /** Sets the clock back from now on. */
    setClockBack(ms: number): void {
      setBack = { since: lastMoment, ms };
    },
    times: () => entries.map(({ createTime: time }) => Number(microsOf(time!)) / 1000),
    /** Gives the checker's findings for an account read at a moment. */
    async findings({ readAt = lastMoment } = {}): Promise<string[]> {
      const reading: Reading = {
        account: accountMessage(REPLAYING, account, createTime),
        created: false,
        entries,
        one: undefined,
        lots: listedLots(account).map(lotMessage),
        holds: [...account.holds.values()].toReversed().map(holdMessage),
        asked: readAt,
        moment: readAt + 1,
      };
      const world = { clock, doubts: noDoubts(), prices: PRICES };
      const findings = await checkAccount(history, reading, world);
      return findings.map(({ what }) => what.replace(`${USER}: `, ""));
    },
  };
}

function until(moment: number) {
  return { case: "expireTime", value: timestampOf(micros(moment)) } as const;
}

function micros(moment: number): bigint {
  return BigInt(moment * 1000);
}
