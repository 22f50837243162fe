/**
 * Round robin: takes at most `max` items from a queue, the first item of each key, then the second
 * item of each key, and so on. So a key's backlog delays that key alone. The items taken and the
 * items left keep their order.
 *
 * @param queue in order of arrival; the taken items are removed
 */
export function takeRoundRobin<Item>(
  queue: Item[],
  max: number,
  keyOf: (item: Item) => number,
): Item[] {
  if (queue.length <= max) return queue.splice(0);
  const turns = turnsOf(queue, keyOf);
  const { last, room } = lastTurn(turns, max);
  let roomInLast = room;
  const isTaken = turns.map((turn) => turn < last || (turn === last && roomInLast-- > 0));
  const taken = queue.filter((_, index) => isTaken[index]);
  const left = queue.filter((_, index) => !isTaken[index]);
  queue.splice(0, queue.length, ...left);
  return taken;
}

/** The turn of each item: the number of items of the same key before it. */
function turnsOf<Item>(queue: readonly Item[], keyOf: (item: Item) => number): number[] {
  const seen = new Map<number, number>();
  return queue.map((item) => {
    const key = keyOf(item);
    const turn = seen.get(key) ?? 0;
    seen.set(key, turn + 1);
    return turn;
  });
}

/** The turn in which `max` is reached, and the number of items that may be taken in it. */
function lastTurn(turns: readonly number[], max: number): { last: number; room: number } {
  const sizes: number[] = [];
  for (const turn of turns) sizes[turn] = (sizes[turn] ?? 0) + 1;
  let room = max;
  let last = 0;
  while (sizes[last]! < room) {
    room -= sizes[last]!;
    last += 1;
  }
  return { last, room };
}
