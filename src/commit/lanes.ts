/**
 * A number that is always the same for the same user, and spread evenly over users, for the choice
 * of a lane and of turns in it: FNV-1a, 32 bits.
 */
export function laneNumber(userId: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < userId.length; index += 1) {
    hash = Math.imul(hash ^ userId.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
