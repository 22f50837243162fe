import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { useEffect, useState } from "react";

const TICK_MS = 15_000;

// Of all screens, so that one calls past what another does.
let aheadMs = 0;

/**
 * The time by the ledger's clock, as far as it can be known here: at least the latest instant that the
 * ledger has shown as past. A ledger under TEST_CLOCK is ahead of the browser, and no answer that
 * every reader may have says by how much.
 *
 * @param shown an instant that is past for the ledger
 */
export function useLedgerNow(shown: Timestamp | undefined): number {
  const [nowMs, setNowMs] = useState(ledgerNowMs);
  const shownMs = shown && timestampMs(shown);
  useEffect(() => {
    aheadMs = aheadMsOf(shownMs, Date.now(), aheadMs);
    setNowMs(ledgerNowMs());
    const timer = setInterval(() => setNowMs(ledgerNowMs()), TICK_MS);
    return () => clearInterval(timer);
  }, [shownMs]);
  return nowMs;
}

function ledgerNowMs(): number {
  return Date.now() + aheadMs;
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
