// Runs in the browser: see looks.ts. It stands alone, and imports nothing.

/** What a person would see on a page. */
export type Look = {
  /** What is wrong with where texts are, in words. */
  readonly faults: readonly string[];
  /** All words of the page: texts, and the names that a screen reader says. */
  readonly texts: readonly string[];
};

/** Looks at where each text of the page is: cut, outside of its box or the page, or over another. */
export function look(): Look {
  const shown = shownTexts();
  const places = shown
    .filter(({ element }) => !isForReadersAlone(element))
    .flatMap(piecesOf)
    .map(placeOf);
  const pieces = places.flatMap(({ piece }) => piece ?? []);
  const faults = new Set([
    ...places.flatMap(({ fault }) => fault ?? []),
    ...overlaps(pieces),
    ...cutFields(),
    ...paleTexts(pieces),
    ...palePlaceholders(),
    ...widerThanPage(),
  ]);
  return { faults: [...faults], texts: [...shown.map(({ text }) => text), ...names()] };
}

type Shown = { readonly node: Text; readonly element: Element; readonly text: string };

/** A line of a text, and the band in which its letters are: fonts reserve more above and below. */
type Piece = Omit<Shown, "node"> & { readonly node: Text; readonly box: Box };

type Box = {
  left: number;
  right: number;
  top: number;
  bottom: number;
};

const TOLERANCE = 1.5;
// Of a font's size: capitals, and a little of what hangs below.
const LETTERS = 0.62;

function shownTexts(): Shown[] {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found: Shown[] = [];
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement!;
    const text = (node as Text).data.trim();
    // recharts measures its labels where nobody looks.
    if (element.id === "recharts_measurement_span") continue;
    if (text === "" || element.closest("script, style, noscript, select, template") !== null)
      continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    found.push({ node: node as Text, element, text });
  }
  return found;
}

function piecesOf({ node, element, text }: Shown): Piece[] {
  const range = document.createRange();
  range.selectNodeContents(node);
  const half = (Number.parseFloat(getComputedStyle(element).fontSize) * LETTERS) / 2;
  return [...range.getClientRects()]
    .filter(({ width }) => width > 0)
    .map(({ left, right, top, bottom }) => {
      const middle = (top + bottom) / 2;
      const box = { left, right, top: middle - half, bottom: middle + half };
      return { node, element, text, box };
    });
}

/** Of a pixel's size, or clipped away: what screen readers say, and nobody sees. */
function isForReadersAlone(element: Element): boolean {
  return ancestorsOf(element).some((one) => {
    const { width, height } = one.getBoundingClientRect();
    const { overflow, clip, clipPath } = getComputedStyle(one);
    const isTiny = width <= 1 && height <= 1 && overflow !== "visible";
    return isTiny || clip.replaceAll(/[a-z(), ]/g, "") === "0000" || clipPath === "inset(50%)";
  });
}

/** The element and those around it by whose boxes it may be cut. */
function ancestorsOf(element: Element): Element[] {
  const found: Element[] = [];
  let escapes = false;
  for (let one: Element | null = element; one !== null; one = one.parentElement) {
    if (one === document.body || one === document.documentElement) break;
    const { position } = getComputedStyle(one);
    // What is absolutely positioned is not cut by what is not positioned.
    if (!escapes || position !== "static") {
      found.push(one);
      escapes = position === "absolute";
    }
    if (position === "fixed") break;
  }
  return found;
}

/** Where a piece is: what of it is in sight, if any, and what is wrong with that. */
function placeOf(piece: Piece): { readonly piece?: Piece; readonly fault?: string } {
  const box = { ...piece.box };
  for (const one of ancestorsOf(piece.element)) {
    const style = getComputedStyle(one);
    const isOwnBox =
      one instanceof HTMLElement ? style.display !== "inline" : one.tagName === "svg";
    if (!isOwnBox || style.display === "contents") continue;
    const around = one.getBoundingClientRect();
    for (const [low, high, axis] of AXES) {
      const overflow = style[axis];
      const isBeyond = box[low] < around[low] - TOLERANCE || box[high] > around[high] + TOLERANCE;
      if (!isBeyond) continue;
      if (overflow === "auto" || overflow === "scroll") {
        box[low] = Math.max(box[low], around[low]);
        box[high] = Math.min(box[high], around[high]);
        if (box[high] - box[low] < TOLERANCE) return {};
      } else if (overflow !== "visible") {
        return { piece, fault: `cut: ${quoted(piece)} by ${nameOf(one)}` };
      } else if (isPainted(style)) {
        return { piece, fault: `outside of its box: ${quoted(piece)} of ${nameOf(one)}` };
      }
    }
  }
  const width = document.documentElement.clientWidth;
  const isInPage = box.left >= -TOLERANCE && box.right <= width + TOLERANCE;
  const isBelowTop = box.top + scrollY >= -TOLERANCE;
  const seen = { ...piece, box };
  if (isInPage && isBelowTop) return { piece: seen };
  return { piece: seen, fault: `outside of the page: ${quoted(piece)}` };
}

const AXES = [
  ["left", "right", "overflowX"],
  ["top", "bottom", "overflowY"],
] as const;

function isPainted({ backgroundColor, borderTopWidth, borderTopStyle }: CSSStyleDeclaration) {
  const isClear = /^(?:transparent|rgba\(.*, 0\))$/.test(backgroundColor);
  return !isClear || (borderTopStyle !== "none" && Number.parseFloat(borderTopWidth) > 0);
}

function overlaps(pieces: readonly Piece[]): string[] {
  const inOrder = pieces.toSorted((one, other) => one.box.top - other.box.top);
  const found: string[] = [];
  for (const [at, one] of inOrder.entries()) {
    for (let next = at + 1; next < inOrder.length; next += 1) {
      const other = inOrder[next]!;
      if (other.box.top >= one.box.bottom - TOLERANCE) break;
      if (one.node === other.node || !isOver(one.box, other.box)) continue;
      if (layerOf(one.element) !== layerOf(other.element)) continue;
      found.push(`overlapping: ${quoted(one)} and ${quoted(other)}`);
    }
  }
  return found;
}

function isOver(one: Box, other: Box): boolean {
  const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
  const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
  return wide > TOLERANCE && high > TOLERANCE;
}

/** What lies over the rest of the page and hides it: a dialog, a menu, a head that stays. */
function layerOf(element: Element): Element | undefined {
  return ancestorsOf(element).find((one) => {
    const style = getComputedStyle(one);
    return style.position !== "static" && style.position !== "relative" && isPainted(style);
  });
}

/** Fields that are narrower than what they show. */
function cutFields(): string[] {
  const pen = document.createElement("canvas").getContext("2d")!;
  const fields = document.querySelectorAll<HTMLInputElement | HTMLSelectElement>(
    "input:not([type=checkbox]):not([type=radio]):not([type=hidden]), select",
  );
  return [...fields].flatMap((field) => {
    if (!field.checkVisibility() || isForReadersAlone(field)) return [];
    const isSelect = field instanceof HTMLSelectElement;
    const chosen = isSelect ? (field.selectedOptions[0]?.text ?? "") : field.value;
    const text = chosen || (isSelect ? "" : field.placeholder);
    const { font, paddingLeft, paddingRight } = getComputedStyle(field);
    pen.font = font;
    const room =
      field.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight);
    const isCut = pen.measureText(text).width > room + TOLERANCE;
    return isCut ? [`cut in its field: ${JSON.stringify(text)}`] : [];
  });
}

/** Labels of charts, and single letters, without enough contrast: what axe does not decide. */
function paleTexts(pieces: readonly Piece[]): string[] {
  return pieces.flatMap(({ element, text }) => {
    const isLabel = element instanceof SVGElement;
    if (!isLabel && (text.length > 1 || element.closest(DISABLED) !== null)) return [];
    const { fill, color } = getComputedStyle(element);
    return faultsOfContrast(isLabel ? fill : color, element, text);
  });
}

/** What WCAG excepts. */
const DISABLED = "[disabled], [data-disabled], [aria-disabled=true]";

function palePlaceholders(): string[] {
  return [...document.querySelectorAll<HTMLInputElement>("input[placeholder]")].flatMap((field) => {
    if (!field.checkVisibility() || field.value !== "" || field.disabled) return [];
    return faultsOfContrast(
      getComputedStyle(field, "::placeholder").color,
      field,
      field.placeholder,
    );
  });
}

/** WCAG's AA for text of usual size. */
const CONTRAST_MIN = 4.5;

function faultsOfContrast(colour: string, element: Element, text: string): string[] {
  const behind = [element, ...ancestorsOf(element), document.body, document.documentElement]
    .map((one) => channelsOf(getComputedStyle(one).backgroundColor))
    .find(([, , , opacity = 1]) => opacity === 1) ?? [255, 255, 255];
  const [one, other] = [luminanceOf(channelsOf(colour)), luminanceOf(behind)];
  const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  const said = `pale: ${JSON.stringify(text)}, ${contrast.toFixed(1)} to 1`;
  return contrast < CONTRAST_MIN ? [said] : [];
}

/** Red, green and blue, 0 to 255, and the opacity unless it is 1. */
function channelsOf(colour: string): number[] {
  const [red = 0, green = 0, blue = 0, ...opacity] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  const most = colour.startsWith("color(") ? 255 : 1;
  return [red * most, green * most, blue * most, ...opacity];
}

function luminanceOf(channels: readonly number[]): number {
  const [red = 0, green = 0, blue = 0] = channels.map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function widerThanPage(): string[] {
  const { scrollWidth, clientWidth } = document.documentElement;
  return scrollWidth > clientWidth ? [`the page is ${scrollWidth} wide, of ${clientWidth}`] : [];
}

/** What is said of elements and not shown as their text. */
function names(): string[] {
  const attributes = ["aria-label", "aria-description", "aria-roledescription", "alt", "title"];
  const all = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility());
  const said = all.flatMap((one) =>
    [...attributes, "placeholder"].map((name) => one.getAttribute(name)),
  );
  const options = [...document.querySelectorAll("option")].map(({ text }) => text);
  return [document.title, ...options, ...said].filter(
    (text) => text !== null && text !== "",
  ) as string[];
}

function quoted({ text }: Piece): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function nameOf(one: Element): string {
  const classes = [...one.classList].filter((name) => !name.startsWith("m_")).slice(0, 2);
  return [one.tagName.toLowerCase(), ...classes].join(".");
}
