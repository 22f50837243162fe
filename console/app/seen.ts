import { isMessage } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { AccountSchema } from "../../gen/points/v1/account_pb.ts";

const sequences = new Map<string, bigint>();

/**
 * The latest entry of an account that the page has been told of, for `min_sequence`: a list that is
 * read from a standby then lacks nothing that is on the screen. 0: none.
 */
export function seenOf(userId: string): bigint {
  return sequences.get(userId) ?? 0n;
}

/** Notes the accounts in answers and streams, before anybody shows them. */
export const noteSeen: Interceptor = (next) => async (request) => {
  const response = await next(request);
  if (response.stream) return { ...response, message: noted(response.message) };
  note(response.message);
  return response;
};

async function* noted<T extends object>(messages: AsyncIterable<T>) {
  for await (const message of messages) {
    note(message);
    yield message;
  }
}

/** Later ones only: answers may overtake each other. */
function note(message: object): void {
  const account = "account" in message ? message.account : undefined;
  if (!isMessage(account, AccountSchema)) return;
  const { userId, sequence } = account;
  if (sequence > seenOf(userId)) sequences.set(userId, sequence);
}
