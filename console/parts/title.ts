import { useEffect } from "react";

/** Names the page in the browser's tab and history while a screen is open. Empty: not known yet. */
export function useTitle(text: string): void {
  useEffect(() => {
    document.title = text === "" ? "Points" : `${text} · Points`;
  }, [text]);
}
