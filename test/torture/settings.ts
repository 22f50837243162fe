import type { RunOptions } from "./run.ts";

type Settings = Pick<
  RunOptions,
  | "accountsPerRound"
  | "roundMs"
  | "settleMs"
  | "floodLots"
  | "faultPauseMs"
  | "endsWhenWrong"
  | "keepsData"
  | "batchers"
  | "streamers"
  | "loners"
  | "holders"
>;

/** Settings of a run of minutes. */
export const LONG: Settings = {
  accountsPerRound: 500,
  roundMs: 10_000,
  settleMs: 5_000,
  // More than the limit of an account (4,096).
  floodLots: 4_300,
  faultPauseMs: 4_000,
  endsWhenWrong: false,
  keepsData: true,
  batchers: 6,
  streamers: 3,
  loners: 6,
  holders: 0,
};

/** Settings of a run of seconds: short rounds, early checks, frequent faults. */
export const SLICE: Settings = {
  ...LONG,
  accountsPerRound: 120,
  roundMs: 2_500,
  settleMs: 500,
  floodLots: 600,
  faultPauseMs: 700,
  endsWhenWrong: true,
  keepsData: false,
};
