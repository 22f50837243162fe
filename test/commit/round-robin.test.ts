import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { takeRoundRobin } from "../../src/commit/round-robin.ts";

// An item is its owner's letter and its place: "a1" came before "a2".
const cases: [title: string, queue: string, max: number, taken: string, left: string][] = [
  ["all of a short queue", "a1 b1 a2", 3, "a1 b1 a2", ""],
  ["the first of a long queue of one owner", "a1 a2 a3 a4", 2, "a1 a2", "a3 a4"],
  ["one of each before the second of any", "a1 a2 a3 b1 c1", 3, "a1 b1 c1", "a2 a3"],
  ["seconds in the order in which they came", "a1 a2 b1 b2 c1", 4, "a1 a2 b1 c1", "b2"],
  ["one owner's backlog after the others", "a1 a2 a3 a4 b1 b2", 5, "a1 a2 a3 b1 b2", "a4"],
  ["the first owners, where there are too many", "a1 b1 c1 d1", 2, "a1 b1", "c1 d1"],
];

describe("takes in turn", () => {
  test.for(cases)("%s", ([, before, max, taken, left]) => {
    const queue = split(before);
    expect(takeRoundRobin(queue, max, ownerOf)).toEqual(split(taken));
    expect(queue).toEqual(split(left));
  });

  test("from any queue: nobody waits for another's second, and nothing is reordered", () => {
    const owners = fc.array(fc.constantFrom("a", "b", "c", "d", "e"), { maxLength: 60 });
    fc.assert(
      fc.property(owners, fc.integer({ min: 1, max: 60 }), (letters, max) => {
        const all = letters.map((letter, index) => {
          const before = letters.slice(0, index).filter((other) => other === letter);
          return `${letter}${before.length + 1}`;
        });
        const left = [...all];
        const taken = takeRoundRobin(left, max, ownerOf);
        expect(taken).toHaveLength(Math.min(max, all.length));
        expect(taken).toEqual(all.filter((item) => taken.includes(item)));
        expect(left).toEqual(all.filter((item) => !taken.includes(item)));
        const lastTurn = Math.max(...taken.map(turnOf));
        for (const item of left) expect(turnOf(item)).toBeGreaterThanOrEqual(lastTurn);
      }),
    );
  });
});

function split(items: string): string[] {
  return items.split(" ").filter((item) => item !== "");
}

function ownerOf(item: string): number {
  return item.charCodeAt(0);
}

function turnOf(item: string): number {
  return Number(item.slice(1));
}
