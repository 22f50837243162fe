/** A line of a plot: points in the order of their x. */
export type Line = {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
};

/** A plot of lines. */
export type Plot = {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
};

/** An axis: logarithmic with a tick at each of `marks`, or linear from 0. */
export type Axis = {
  readonly label: string;
  readonly marks: readonly number[];
  readonly scale: "log" | "linear";
};

const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 76;
const RIGHT = 190;
const TOP = 44;
const BOTTOM = 52;
const LABEL_GAP = 16;

/** Draws a plot as SVG, which follows the reader's light or dark colour scheme. */
export function drawPlot({ title, x, y, lines }: Plot): string {
  const across = positionOn(x, LEFT, WIDTH - RIGHT);
  const up = positionOn(y, HEIGHT - BOTTOM, TOP);
  const grid = y.marks.map((mark) => {
    const at = up(mark).toFixed(1);
    const label = text(LEFT - 8, up(mark) + 4, figure(mark), "end");
    return `<path class="grid" d="M${LEFT} ${at}H${WIDTH - RIGHT}"/>${label}`;
  });
  const ticks = x.marks.map((mark) =>
    text(across(mark), HEIGHT - BOTTOM + 20, figure(mark), "middle"),
  );
  const labelsAt = spread(lines.map(({ points }) => up(points.at(-1)![1])));
  const drawn = lines.map(({ name, points }, index) => {
    const places = points.map(([px, py]) => `${across(px).toFixed(1)} ${up(py).toFixed(1)}`);
    const dots = places.map((place) => `M${place}h0`).join("");
    const label = text(WIDTH - RIGHT + 12, labelsAt[index]! + 4, name, "start");
    const paths = `<path d="M${places.join("L")}"/><path class="dots" d="${dots}"/>`;
    return `<g class="line line${index}">${paths}${label}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
<rect class="paper" width="${WIDTH}" height="${HEIGHT}"/>
<text class="title" x="${LEFT}" y="24">${escaped(title)}</text>
${[...grid, ...ticks, ...drawn].join("\n")}
${text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x.label, "middle")}
<text x="16" y="${(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle"
  transform="rotate(-90 16 ${(TOP + HEIGHT - BOTTOM) / 2})">${escaped(y.label)}</text>
</svg>
`;
}

/** At most five round numbers from 0 up to at least the greatest value. */
export function linearMarks(values: readonly number[]): number[] {
  const most = Math.max(1, ...values);
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= rough)!;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

/** Powers of ten around the values above 0: 1 and 10 if there is none. */
export function logMarks(all: readonly number[]): number[] {
  const above = all.filter((value) => value > 0);
  const values = above.length === 0 ? [1] : above;
  const first = Math.floor(Math.log10(Math.min(...values)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values))));
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
}

// Colours that colour-blind readers can tell apart, also by lightness.
const STYLE = `
.paper { fill: #ffffff }
text { font: 13px system-ui, sans-serif; fill: #444444 }
.title { font-size: 15px; font-weight: 600; fill: #111111 }
.grid { stroke: #dddddd }
.line path { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.line .dots { stroke-width: 8; stroke-linecap: round }
.line0 path { stroke: #0b62c4 } .line0 text { fill: #0b62c4 }
.line1 path { stroke: #b3430b } .line1 text { fill: #b3430b }
.line2 path { stroke: #1b7a43 } .line2 text { fill: #1b7a43 }
.line3 path { stroke: #7a3fb0 } .line3 text { fill: #7a3fb0 }
@media (prefers-color-scheme: dark) {
  .paper { fill: #0d1117 }
  text { fill: #b0b8c0 }
  .title { fill: #f0f3f6 }
  .grid { stroke: #30363d }
  .line0 path { stroke: #6cb6ff } .line0 text { fill: #6cb6ff }
  .line1 path { stroke: #ffa657 } .line1 text { fill: #ffa657 }
  .line2 path { stroke: #56d38a } .line2 text { fill: #56d38a }
  .line3 path { stroke: #d2a8ff } .line3 text { fill: #d2a8ff }
}
`;

/** Maps a value to a position between two coordinates. */
function positionOn({ marks, scale }: Axis, from: number, to: number) {
  const onScale = (value: number) => (scale === "log" ? Math.log10(value) : value);
  const first = onScale(marks[0]!);
  const last = onScale(marks.at(-1)!);
  return (value: number) => from + ((onScale(value) - first) / (last - first)) * (to - from);
}

/** Moves positions that are too close apart, downwards, and keeps their order. */
function spread(places: readonly number[]): number[] {
  const moved = [...places];
  const order = [...places.keys()].toSorted((a, b) => places[a]! - places[b]!);
  for (const [rank, index] of order.entries()) {
    const above = rank === 0 ? Number.NEGATIVE_INFINITY : moved[order[rank - 1]!]!;
    moved[index] = Math.max(moved[index]!, above + LABEL_GAP);
  }
  return moved;
}

function text(x: number, y: number, content: string, anchor: "start" | "middle" | "end"): string {
  const [px, py] = [x, y].map((place) => place.toFixed(1));
  return `<text x="${px}" y="${py}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function figure(value: number): string {
  return value.toLocaleString("en", { notation: value >= 1e6 ? "compact" : "standard" });
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
