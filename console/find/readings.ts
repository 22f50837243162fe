import { sequenceOf } from "../parts/sequence.ts";

/** What a text may be: each is looked for. */
export type Readings = {
  readonly user?: string;
  readonly entry?: { readonly user: string; readonly sequence: bigint };
  readonly requestId?: string;
  readonly metadata?: { readonly key: string; readonly value: string };
  readonly actor?: string;
};

/**
 * Reads what was typed into the box: "ada", "ada#42", a request id, "order=8157" or "actor:Li". A user
 * id or a request id may look like any of these, so several may be meant.
 */
export function readingsOf(typed: string): Readings {
  const text = typed.trim();
  const isId = ID.test(text);
  return {
    ...(isId && { user: text, requestId: text }),
    ...entryOf(text),
    ...metadataOf(text),
    ...actorOf(text),
  };
}

// As the API takes them: printable ASCII without spaces.
const ID = /^[!-~]{1,128}$/;
const ENTRY = /^([!-~]{1,128})#(\d+)$/;
const PAIR = /^([^=]+?)\s*=\s*(.*)$/;
const ACTOR = /^actor:\s*(.+)$/i;
const KEY_MAX_BYTES = 64;
const VALUE_MAX_BYTES = 256;
const ACTOR_MAX_CHARACTERS = 128;

function entryOf(text: string): Pick<Readings, "entry"> {
  const [, user, number = ""] = ENTRY.exec(text) ?? [];
  const sequence = sequenceOf(number);
  return user === undefined || sequence === undefined ? {} : { entry: { user, sequence } };
}

function metadataOf(text: string): Pick<Readings, "metadata"> {
  const [, key, value] = PAIR.exec(text) ?? [];
  if (key === undefined || hasControl(text)) return {};
  if (bytesOf(key) > KEY_MAX_BYTES || bytesOf(value!) > VALUE_MAX_BYTES) return {};
  return { metadata: { key, value: value! } };
}

/** An actor is a name such as "Li", or "Li Wei", which nothing else but an id may be. */
function actorOf(text: string): Pick<Readings, "actor"> {
  const actor = ACTOR.exec(text)?.[1] ?? (/[#=]/.test(text) ? "" : text);
  if (actor === "" || hasControl(actor) || Array.from(actor).length > ACTOR_MAX_CHARACTERS)
    return {};
  return { actor };
}

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
