/**
 * Takes at most `max` items from a queue such that all keys get their turn: of each key the first,
 * then of each key the second, and so on. A key with a long queue so waits for itself, and never
 * makes another wait. What is taken and what is left keep their order.
 *
 * @param queue in order of arrival; left with what was not taken
 */
export function takeInTurn<Item>(
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

/** How many items of the same key each item has before it. */
function turnsOf<Item>(queue: readonly Item[], keyOf: (item: Item) => number): number[] {
  const seen = new Map<number, number>();
  return queue.map((item) => {
    const key = keyOf(item);
    const turn = seen.get(key) ?? 0;
    seen.set(key, turn + 1);
    return turn;
  });
}

/** The turn in which `max` is reached, and how many have room in it. */
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
