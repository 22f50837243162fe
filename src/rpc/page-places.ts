import type { LotPlace } from "../store/reads/pages.ts";

/** How the place after which a page begins is written in a token. */
export type PlaceCodec<Place> = {
  /** In digits and colons. */
  readonly write: (place: Place) => string;
  /** Undefined if it is no such place: another version may have written it. */
  readonly read: (text: string) => Place | undefined;
};

/** A page of entries or holds goes on below a sequence. */
export const SEQUENCE_PLACE: PlaceCodec<bigint> = {
  write: String,
  read: (text) => (/^[1-9]\d{0,17}$/.test(text) ? BigInt(text) : undefined),
};

/** A page of lots goes on after a lot's place in burn order; no time: it never expires. */
export const LOT_PLACE: PlaceCodec<LotPlace> = {
  write: ({ priority, expireTime, number }) => `${priority}:${expireTime ?? ""}:${number}`,
  read(text) {
    const [, priority, micros, number] = /^(\d{1,4}):(\d{1,18})?:([1-9]\d{0,17})$/.exec(text) ?? [];
    if (priority === undefined || number === undefined) return undefined;
    const expireTime = micros === undefined ? null : BigInt(micros);
    return { priority: Number(priority), expireTime, number: BigInt(number) };
  },
};
