import { type ComponentType, lazy, type LazyExoticComponent } from "react";
import { Outdated } from "./outdated.tsx";

/**
 * A part of a screen whose file is loaded when it is shown first. If that cannot be loaded, the part's
 * place says so, and the rest of the screen stays.
 */
export function lazily<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): LazyExoticComponent<ComponentType<Props>> {
  return lazy(() =>
    load().then(
      (part) => ({ default: part }),
      () => ({ default: () => <Outdated /> }),
    ),
  );
}
