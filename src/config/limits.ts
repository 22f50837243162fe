import { wholeNumber } from "./setting.ts";

/** What bounds connections, requests and callers, so that none of them can take it all. */
export type Limits = { readonly [Name in keyof typeof LIMITS]: number };

/** Their variables. */
export const LIMITS = {
  messageMaxBytes: wholeNumber(
    "MESSAGE_MAX_BYTES",
    "the largest request of ApplyBatch, and message of Apply",
    1_048_576,
    1_024,
    67_108_864,
  ),
  messageSingleMaxBytes: wholeNumber(
    "MESSAGE_SINGLE_MAX_BYTES",
    "the largest request of all other RPCs, after decompression as well",
    65_536,
    1_024,
    67_108_864,
  ),
  messageOutMaxBytes: wholeNumber(
    "MESSAGE_OUT_MAX_BYTES",
    "the largest answer; clients of gRPC take as much by default",
    4_194_304,
    65_536,
    67_108_864,
  ),
  headerMaxBytes: wholeNumber(
    "HEADER_MAX_BYTES",
    "the largest head of a request",
    16_384,
    4_096,
    1_048_576,
  ),
  bodyMs: wholeNumber(
    "BODY_MS",
    "how long a request may take to arrive; streams of requests are apart",
    30_000,
    100,
    600_000,
  ),
  idleMs: wholeNumber(
    "IDLE_MS",
    "how long a connection may be without a request",
    300_000,
    1_000,
    86_400_000,
  ),
  keepAliveMs: wholeNumber(
    "KEEPALIVE_MS",
    "silence after which TCP asks whether the peer still lives",
    60_000,
    1_000,
    86_400_000,
  ),
  connectionsMax: wholeNumber("CONNECTIONS_MAX", "connections of a process", 10_000, 1, 1_000_000),
  connectionsMaxPerPeer: wholeNumber(
    "CONNECTIONS_MAX_PER_PEER",
    "of them from one address",
    1_000,
    1,
    1_000_000,
  ),
  streamsMaxPerConnection: wholeNumber(
    "STREAMS_MAX_PER_CONNECTION",
    "requests under way on one connection",
    256,
    1,
    10_000,
  ),
  resetsMaxBurst: wholeNumber(
    "RESETS_MAX_BURST",
    "requests that a connection may take back at once, before it is ended",
    1_000,
    1,
    1_000_000,
  ),
  resetsMaxPerSecond: wholeNumber("RESETS_MAX_PER_SECOND", "and in the long run", 33, 1, 1_000_000),
  callerMaxPerSecond: wholeNumber(
    "CALLER_MAX_PER_SECOND",
    "operations of one caller, in each process; more are refused as RATE_LIMITED",
    10_000,
    1,
    1_000_000,
  ),
};
