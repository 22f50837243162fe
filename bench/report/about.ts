import type { About } from "../results.ts";

/** The machine, the versions and the start command, as a Markdown list. */
export function aboutText({ machine, environment }: About): string {
  const { date, cpu, cores, memoryGib, kernel, node, postgres, functionCaller, commit } = machine;
  const settings = Object.entries(machine.settings).map(([name, value]) => `${name} = ${value}`);
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value} `);
  return [
    `${date} UTC, commit ${commit}`,
    `${cores} cores of ${cpu}, ${memoryGib} GiB of memory, ${kernel}; all processes share them`,
    `Points by \`${variables.join("")}${machine.command}\` on Node ${node}`,
    `PostgreSQL ${postgres}: ${settings.join(", ")}`,
    `the SQL function called by ${functionCaller}`,
  ]
    .map((line) => `- ${line}`)
    .join("\n");
}

/** The errors that the checks found, as a Markdown list, or a line that all is well. */
export function wrongText(wrong: readonly string[]): string {
  return wrong.length === 0 ? "all in order." : `\n\n${wrong.map((one) => `- ${one}`).join("\n")}`;
}

/** Plots, one below the other. */
export function plotsText(names: readonly string[]): string {
  return names.map((name) => `\n![](${name})\n`).join("");
}
