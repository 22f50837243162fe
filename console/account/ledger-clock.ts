import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { useEffect, useState } from "react";

const TICK_MS = 15_000;

/**
 * The time by the ledger's clock, as far as it can be known here: at least the latest instant that the
 * ledger has shown as past. A ledger under TEST_CLOCK is ahead of the browser.
 *
 * @param shown an instant that is past for the ledger
 */
export function useLedgerNow(shown: Timestamp | undefined): number {
  const [hereMs, setHereMs] = useState(Date.now);
  const [aheadMs, setAheadMs] = useState(0);
  const shownMs = shown && timestampMs(shown);
  useEffect(() => setAheadMs((before) => aheadMsOf(shownMs, Date.now(), before)), [shownMs]);
  useEffect(() => {
    const timer = setInterval(() => setHereMs(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return hereMs + aheadMs;
}

/**
 * How far the ledger's clock is ahead of the browser's, at least.
 *
 * @param shownMs an instant that the ledger has shown as past, at hereMs by the browser's clock
 * @param before what was known before
 */
export function aheadMsOf(shownMs: number | undefined, hereMs: number, before: number): number {
  return shownMs === undefined ? before : Math.max(before, shownMs - hereMs);
}
