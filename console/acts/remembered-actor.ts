// Until the page is closed, and nowhere else.
let typed = "";

/** The name that was typed last, where nobody signed in as a person. */
export function rememberedActor(): string {
  return typed;
}

export function rememberActor(name: string): void {
  typed = name;
}
