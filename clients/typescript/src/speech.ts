import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { parseFile } from "music-metadata";
import type { ConsumeResponse, createPointsClient } from "points/client";

type PointsClient = ReturnType<typeof createPointsClient>;

/** Speech that was made for a user. */
export type Speech = {
  readonly userId: string;
  /** Names this piece of work, such as the job's id: the same again charges nothing. */
  readonly requestId: string;
  /** The path of the audio file: WAV, MP3, M4A, Ogg, FLAC and others. */
  readonly file: string;
};

/**
 * Charges speech by the length of its audio file. The price list says what a second costs, and rounds
 * up: in the list that ships, `tts` is 1 point a started second.
 *
 * @throws an Error that names the file if its length cannot be read; then nothing is charged
 */
export async function chargeSpeech(
  points: PointsClient,
  { userId, requestId, file }: Speech,
): Promise<ConsumeResponse> {
  const duration = durationFromMs(await lengthMs(file));
  const usage = { service: "tts", amount: { case: "duration", value: duration } } as const;
  return points.consume({ userId, requestId, cost: { case: "usage", value: usage } });
}

/** To the millisecond, so that two seconds and a rounding error of the library are two seconds. */
async function lengthMs(file: string): Promise<number> {
  // With `duration`, files that do not say their length are read to the end.
  const { format } = await parseFile(file, { duration: true, skipCovers: true }).catch(
    (cause: unknown) => {
      throw new Error(`${file} cannot be read as audio`, { cause });
    },
  );
  const ms = Math.round((format.duration ?? 0) * 1000);
  if (!(ms > 0)) throw new Error(`${file} does not say how long it is`);
  return ms;
}
