/** Blanks, and characters that show nothing at all, such as a zero width space or a blank of Braille. */
const UNSEEN = /[\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** A text without the blanks around it; empty if nobody would see anything of it. */
export function seenText(text: string): string {
  return text.replaceAll(UNSEEN, "") === "" ? "" : text.trim();
}
