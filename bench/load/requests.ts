import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  ApplyBatchRequestSchema,
  ApplyRequestSchema,
  ConsumeRequestSchema,
  GetOrCreateRequestSchema,
  RechargeRequestSchema,
  FreezeRequestSchema,
  SettleRequestSchema,
} from "../../gen/points/v1/points_pb.ts";
import { HealthCheckRequestSchema } from "../../gen/grpc/health/v1/health_pb.ts";
import type { Job, Spread } from "./job.ts";

// Request templates: each request is encoded once, with zeros in place of the user, the request id
// and the tag. A further call only overwrites these digits.

/** The request of a call: a message with its envelope, valid until the next one is made. */
export type Request = { readonly path: string; readonly message: Buffer };

/** Makes the requests of a load. */
export type Requests = {
  noop(): Request;
  consume(user: number): Request;
  recharge(user: number): Request;
  freeze(user: number): Request;
  settle(user: number, hold: bigint): Request;
  getOrCreate(user: number): Request;
  /** A batch of 1,000 Consumes, each of the user that `nextUser` gives. */
  applyBatch(nextUser: () => number): Request;
  /** A Consume for a stream. */
  apply(tag: number, user: number): Request;
};

/** The operations of an ApplyBatch. */
export const BATCH_OPS = 1_000;

const USER_DIGITS = 7;
const REQUEST_DIGITS = 10;
const TAG_DIGITS = 5;
const TAG = "0".repeat(TAG_DIGITS);
const MEMBER_DIGITS = 4;
const MONTH_SECONDS = 2_592_000n;

/** Makes the requests of a load; the nonce makes every request id unique. */
export function createRequests({ nonce, spread }: Pick<Job, "nonce" | "spread">) {
  const userId = nameOf(spread, 0);
  const requestId = `${nonce}-${"0".repeat(REQUEST_DIGITS)}`;
  const ids = { userId, requestId };
  const { members } = spread;
  const member = members === undefined ? "" : `member-${"0".repeat(MEMBER_DIGITS)}`;
  const cost = { case: "points", value: 1n } as const;
  const consumed = { ...ids, cost, member, metadata: pairsOf(spread, requestId) };
  const template = <Desc extends DescMessage>(
    path: string,
    schema: Desc,
    message: MessageInitShape<Desc>,
  ): Template => {
    const bytes = envelope(toBinary(schema, create(schema, message)));
    return {
      path,
      message: bytes,
      users: placesOf(bytes, userId, USER_DIGITS),
      requests: placesOf(bytes, requestId, REQUEST_DIGITS),
      members: member === "" ? [] : placesOf(bytes, member, MEMBER_DIGITS),
      tags: placesOf(bytes, `\n${String.fromCharCode(TAG_DIGITS)}${TAG}`, TAG_DIGITS),
    };
  };
  const consume = { operation: { case: "consume", value: { ...ids, cost } } } as const;
  const templates = {
    noop: template("/grpc.health.v1.Health/Check", HealthCheckRequestSchema, {}),
    consume: template(`${SERVICE}Consume`, ConsumeRequestSchema, consumed),
    recharge: template(`${SERVICE}Recharge`, RechargeRequestSchema, {
      ...ids,
      points: 100n,
      expiration: { case: "ttl", value: { seconds: MONTH_SECONDS } },
    }),
    freeze: template(`${SERVICE}Freeze`, FreezeRequestSchema, { ...ids, cost }),
    getOrCreate: template(`${SERVICE}GetOrCreate`, GetOrCreateRequestSchema, { userId }),
    applyBatch: template(`${SERVICE}ApplyBatch`, ApplyBatchRequestSchema, {
      operations: Array.from({ length: BATCH_OPS }, () => consume),
    }),
    apply: template(`${SERVICE}Apply`, ApplyRequestSchema, { tag: TAG, operation: consume }),
  };

  let requests = 0;
  const fill = (made: Template, nextUser: () => number): Request => {
    for (const at of made.users) writeDigits(made.message, at, USER_DIGITS, nextUser());
    for (const at of made.requests) {
      writeDigits(made.message, at, REQUEST_DIGITS, (requests += 1));
    }
    for (const at of made.members) {
      writeDigits(made.message, at, MEMBER_DIGITS, Math.floor(Math.random() * members!));
    }
    return made;
  };
  return {
    noop: () => templates.noop,
    consume: (user) => fill(templates.consume, () => user),
    recharge: (user) => fill(templates.recharge, () => user),
    freeze: (user) => fill(templates.freeze, () => user),
    settle(user, hold) {
      const id = `${nonce}-${String((requests += 1)).padStart(REQUEST_DIGITS, "0")}`;
      const message = { userId: nameOf(spread, user), requestId: id, hold };
      return template(`${SERVICE}Settle`, SettleRequestSchema, message);
    },
    getOrCreate: (user) => fill(templates.getOrCreate, () => user),
    applyBatch: (nextUser) => fill(templates.applyBatch, nextUser),
    apply(number, user) {
      for (const at of templates.apply.tags) {
        writeDigits(templates.apply.message, at, TAG_DIGITS, number);
      }
      return fill(templates.apply, () => user);
    },
  } satisfies Requests;
}

/** Metadata whose values have a request's digits, each its own. */
function pairsOf({ keys = [] }: Spread, requestId: string): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key, requestId]));
}

/** The id of the nth account of a set, from 1. */
export function nameOf({ prefix }: Pick<Spread, "prefix">, number: number): string {
  return `${prefix}${String(number).padStart(USER_DIGITS, "0")}`;
}

const SERVICE = "/points.v1.PointsService/";

type Template = Request & {
  /** The offsets of the digits of users, request ids, members and tags. */
  readonly users: readonly number[];
  readonly requests: readonly number[];
  readonly members: readonly number[];
  readonly tags: readonly number[];
};

function envelope(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(5 + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
}

function placesOf(bytes: Buffer, text: string, digits: number): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) {
    places.push(at + text.length - digits);
  }
  return places;
}

function writeDigits(bytes: Buffer, at: number, digits: number, value: number): void {
  let left = value;
  for (let place = at + digits - 1; place >= at; place -= 1) {
    const rest = Math.floor(left / 10);
    bytes[place] = 48 + left - 10 * rest;
    left = rest;
  }
}
