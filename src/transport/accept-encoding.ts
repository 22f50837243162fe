import { type Encoding, ENCODINGS, type StaticFile } from "./static-files.ts";

/**
 * Chooses how a file is sent, by Accept-Encoding: what the client likes best (q-values), and of equals
 * what is smallest. Where it takes nothing that there is, it gets the file as it is, as HTTP allows.
 */
export function chooseEncoding(
  accepted: string,
  { compressed, body }: Pick<StaticFile, "compressed" | "body">,
): { readonly encoding: Encoding | undefined; readonly body: Buffer } {
  const liking = likingOf(accepted);
  let best: { encoding: Encoding | undefined; body: Buffer } = { encoding: undefined, body };
  // Whoever names no preference for it takes it, but likes best what is named.
  let most = liking.get("identity") ?? (liking.get("*") === 0 ? 0 : Number.MIN_VALUE);
  for (const encoding of ENCODINGS.toReversed()) {
    const smaller = compressed[encoding];
    const q = liking.get(encoding) ?? liking.get("*") ?? 0;
    if (smaller === undefined || q === 0 || q < most) continue;
    best = { encoding, body: smaller };
    most = q;
  }
  return best;
}

/** The q-value of each coding that is named: 0 is "never", 1 is what names none. */
function likingOf(accepted: string): ReadonlyMap<string, number> {
  const liking = new Map<string, number>();
  for (const part of accepted.toLowerCase().split(",")) {
    const [, coding, q = "1"] = CODING.exec(part) ?? [];
    if (coding !== undefined) liking.set(coding, Number(q));
  }
  return liking;
}

const CODING = /^\s*([a-z0-9-]+|\*)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?$/;
