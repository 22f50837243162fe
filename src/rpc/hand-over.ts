import { Abandoned } from "../commit/batcher.ts";

/**
 * Yields a message of a stream to Connect, which sends it.
 *
 * @throws {Abandoned} if Connect could not: the caller has gone away
 */
export async function* handOver<Message>(message: Message): AsyncGenerator<Message> {
  try {
    yield message;
  } catch (thrown) {
    throw new Abandoned(true, thrown);
  }
}
