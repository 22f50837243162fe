import { CLIENT_OPTIONS, SERVER_OPTION } from "./help-options.ts";

/** The help for the commands over all accounts, at a running server. */
export const ALL_ACCOUNTS_HELP: readonly (readonly [string, () => string])[] = [
  [
    "entries",
    () => `Usage: points entries [USER-PREFIX]

Shows the entries of all accounts, or of the users whose ids begin with USER-PREFIX, each user's in
their order, and ends when it has shown all. It takes the scope points.audit.

  --follow                go on with those that come, until Ctrl-C
  --cursor CURSOR         begin there: the cursor is printed at the end, on standard error. "0": at the
                          first entry, the default; with --follow the default is now
  --kind KIND             only entries of this kind, such as consume; may be given several times
${SERVER_OPTION}\
  --json                  print a line of JSON for each entry, with its epoch and feed number, and one
                          for each change of the epoch

Example: points entries eu- --follow --kind refund --kind revoke
`,
  ],
  [
    "search",
    () => `Usage: points search KEY=VALUE [USER-PREFIX]
       points search (--request-id ID | --actor NAME) [USER-PREFIX]

Shows the last entries, of all accounts or of the users whose ids begin with USER-PREFIX, whose metadata
has this value under this key; the newest at the end. KEY is one of those that SEARCH_KEYS of the servers
names, and others are refused. It takes the scope points.audit.

  --request-id ID         or those of the request with this id
  --actor NAME            or those on behalf of this person or job
  --user USER             of exactly this user. A USER-PREFIX beside --request-id or --actor has no "="
  --from TIME             only those from this instant on, such as 2030-01-31T12:00:00Z, or from the
                          beginning of a day in UTC, such as 2030-01-31
  --until TIME            only those before this instant, or before this day
  --limit N               how many; otherwise 50
${CLIENT_OPTIONS}
Example: points search order=8157
`,
  ],
  [
    "report",
    () => `Usage: points report --month MONTH [USER-PREFIX]
       points report --from DAY --until DAY [USER-PREFIX]

Shows what users held and owed when a month began, what was issued (by category), refunded and consumed
(by service), expired and revoked in it, and what they had when it ended. Each column adds up, which is
checked before anything is shown. It is of all users that you may see, or of those whose ids begin with
USER-PREFIX. It takes the scope points.audit. It exits with 1 if the report is NOT COMPLETE, and says so:
the days are not over, or the sums are not as far as their end.

  --month MONTH           such as 2026-11
  --from DAY              or from the beginning of this day, such as 2026-11-01
  --until DAY             until the beginning of this day, which is not in it
  --time-zone NAME        where days begin, such as Asia/Shanghai; otherwise UTC
  --user USER             of this user alone
  --format FORMAT         table, csv or json; otherwise table
  --since FILE            show as well what was booked since an earlier report of the same days and
                          users: FILE is what --format json printed then
${SERVER_OPTION}\
  --json                  the same as --format json

See docs/reports.md. Example: points report --month 2026-11 --time-zone Asia/Shanghai
`,
  ],
  [
    "expiring",
    () => `Usage: points expiring [USER-PREFIX]

Shows whose points expire soon: how many, when the first do, and how many then. It takes the scope
points.audit.

  --within LENGTH         how soon: 12h, 30d; otherwise 7d
  --limit N               how many users; otherwise 50
${CLIENT_OPTIONS}`,
  ],
  [
    "accounts",
    () => `Usage: points accounts [USER-PREFIX]

Shows accounts with their figures, in the order of their users' ids. It takes the scope points.audit.

  --limit N               how many; otherwise 50
${CLIENT_OPTIONS}`,
  ],
  [
    "overview",
    () => `Usage: points overview

Shows what all accounts have together: balance, frozen, debt, what expires in which week, and the ten
largest. A server looks every hour. It takes the scope points.audit, for all users.

${CLIENT_OPTIONS}`,
  ],
  [
    "feed",
    () => `Usage: points feed --cursor FILE [--webhook URL | --exec COMMAND]
       points feed --resend FILE [--webhook URL | --exec COMMAND]

Delivers the entries of a running server, from the place in FILE on and for ever, as CloudEvents: each
at least once, those of a user in their order. FILE is written when they are delivered. Without a
target it prints them, as lines of JSON.

  --cursor FILE           where it stands; made if it is not there. A feed has one of its own
  --from now|0            where to begin without FILE: now, the default, or at the first entry
  --kind KIND             only entries of this kind, such as consume; may be given several times
  --alert NAME            only entries that name this alert; may be given several times. Whatever
                          --kind and --alert say, erasures and epoch changes come, too: they say
                          what to forget
  --user-prefix TEXT      only entries of users whose ids begin so
  --webhook URL           sends each to this URL, signed by Standard Webhooks with the secrets in
                          FEED_SECRET, "whsec_…", separated by spaces
  --exec COMMAND          hands them to this command of the shell, as lines on its standard input;
                          it has taken them if it exits with 0
  --dead-letters FILE     appends to FILE what the target refuses (HTTP 400, 413, 422) or does not
                          take in time; without it, all is tried until the target takes it
  --give-up-after LENGTH  in how much time, for each entry; otherwise 3d
  --resend FILE           sends a file of dead letters again, and ends
${SERVER_OPTION}
See docs/feed.md. Example: points feed --cursor low.cursor --alert low --webhook https://HOST/PATH
`,
  ],
];
