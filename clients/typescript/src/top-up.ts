import { readFile, rename, writeFile } from "node:fs/promises";
import {
  type createLedgerClient,
  type createPointsClient,
  followEntries,
  type RechargeResponse,
} from "points/client";

export type Clients = {
  readonly ledger: ReturnType<typeof createLedgerClient>;
  readonly points: ReturnType<typeof createPointsClient>;
};

const POINTS = 50n;

/**
 * Tops up each account that falls below the number of its alert "low". It goes on from the cursor in
 * a file; without the file it begins now.
 *
 * The stream sends an entry again if this stopped before it stored the cursor. Then the request id is
 * the same, and nothing is recharged twice. The entry's hash is part of it, since a failover may lose
 * an entry and give its number to another one.
 *
 * @returns what each message led to, once its cursor is stored: mostly nothing, at least every second
 */
export async function* topUps(
  { ledger, points }: Clients,
  cursorFile: string,
  userIdPrefix = "",
): AsyncGenerator<readonly RechargeResponse[]> {
  const cursor = await readFile(cursorFile, "utf8").catch(beginNow);
  for await (const message of followEntries(ledger, { cursor, userIdPrefix })) {
    const answers: RechargeResponse[] = [];
    for (const { userId, sequence, hash, alerts } of message.entries) {
      if (!alerts.includes("low")) continue;
      const requestId = `topup-${sequence}-${Buffer.from(hash).toString("hex").slice(0, 16)}`;
      answers.push(await points.recharge({ userId, requestId, points: POINTS }));
    }
    // Renamed, so that there is no half of it after a crash.
    await writeFile(`${cursorFile}.new`, message.cursor, { flush: true });
    await rename(`${cursorFile}.new`, cursorFile);
    yield answers;
  }
}

function beginNow(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") return "";
  throw error;
}
