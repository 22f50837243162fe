import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** The port that a server process prints once it listens; undefined if the process ends first. */
export async function listeningPort(child: ChildProcess): Promise<number | undefined> {
  let said = "";
  child.stdout!.setEncoding("utf8");
  const listening = new Promise<number>((found) => {
    child.stdout!.on("data", (chunk: string) => {
      said += chunk;
      const [, port] = /listens on \S+:(\d+) .*\nStop: /s.exec(said) ?? [];
      if (port !== undefined) found(Number(port));
    });
  });
  return Promise.race([listening, once(child, "close").then(() => undefined)]);
}
