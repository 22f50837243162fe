/**
 * Lanes: hashes a user id (FNV-1a, 32 bits) to choose the user's lane and turns in it. It is always
 * the same for a user, and spreads users evenly.
 */
export function laneNumber(userId: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < userId.length; index += 1) {
    hash = Math.imul(hash ^ userId.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
