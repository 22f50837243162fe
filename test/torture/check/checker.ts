import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Points } from "../deployment/targets.ts";
import type { History } from "../load/history.ts";
import type { Round } from "../load/rounds.ts";
import { checkAccount, type Finding, type World } from "./check.ts";
import { readAccount, type Reading } from "./read-account.ts";
import { showAccount } from "./show.ts";

/** The totals of a run's checks, and their findings. */
export type Checked = {
  accounts: number;
  entries: number;
  /** The number of findings of each kind. */
  readonly wrong: Record<Finding["kind"], number>;
  /** The first 100 findings. */
  readonly findings: Finding[];
  /** The histories of the first accounts with findings, for people to read. */
  readonly shown: string[];
};

export type Checker = {
  readonly checked: Checked;
  /** How many rounds wait for their check or are being checked. */
  backlog(): number;
  /** Queues a round that is over. */
  add(round: Round): void;
  /** Adds a finding from elsewhere. */
  note(finding: Finding): void;
  /** Resolves when every queued round is checked. */
  finish(): Promise<void>;
};

// Faults delay answers, so many accounts are read at the same time.
const AT_ONCE = 24;
const FINDINGS_MAX = 100;
const SHOWN_MAX = 3;

/**
 * Checks rounds one after the other, a while after each is over, and forgets them.
 *
 * @param client gives a client of a server that is probably up
 * @param settleMs the wait after a round, in which operations that were denied or dropped would
 *   still appear
 */
export function startChecker(
  client: () => Points,
  world: World & { readonly onReading: (reading: Reading) => void },
  settleMs: number,
): Checker {
  const wrong = { lost: 0, doubled: 0, mismatch: 0 };
  const checked: Checked = { accounts: 0, entries: 0, wrong, findings: [], shown: [] };
  let last = Promise.resolve();
  let backlog = 0;

  function note(finding: Finding): void {
    wrong[finding.kind] += 1;
    if (checked.findings.length < FINDINGS_MAX) checked.findings.push(finding);
  }

  async function check(history: History): Promise<void> {
    // An account without requests has nothing to check.
    if (history.asked.length === 0 && history.openedFrom === Infinity) return;
    try {
      const reading = await readAccount(client, history.userId, world);
      world.onReading(reading);
      const findings = await checkAccount(history, reading, world);
      checked.accounts += 1;
      checked.entries += reading.entries.length;
      findings.forEach(note);
      if (findings.length > 0 && checked.shown.length < SHOWN_MAX) {
        checked.shown.push(showAccount(history, reading, findings));
      }
    } catch (error) {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      note({ kind: "mismatch", what: `${history.userId}: ${what}` });
    }
  }

  async function checkRound({ accounts }: Round, over: number): Promise<void> {
    await sleep(Math.max(0, over + settleMs - performance.now()));
    const left = accounts.map(({ history }) => history);
    const work = async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) await check(next);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  return {
    checked,
    note,
    backlog: () => backlog,
    add(round) {
      const over = performance.now();
      backlog += 1;
      last = last.then(() => checkRound(round, over)).then(() => void (backlog -= 1));
    },
    finish: () => last,
  };
}
