/** The blocks of a page of Markdown that are in a language, without the indentation of a list. */
export function codeBlocks(page: string, language: string): string[] {
  const fenced = new RegExp(`^( *)\`\`\`${language}\n([^]*?)^\\1\`\`\`$`, "gm");
  return [...page.matchAll(fenced)].map(([, indent, block]) =>
    block!.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  );
}
