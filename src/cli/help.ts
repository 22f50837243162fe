import { describeConfig } from "../config/environment.ts";
import { ALL_ACCOUNTS_HELP } from "./help-all-accounts.ts";
import { CLIENT_OPTIONS, SERVER_OPTION } from "./help-options.ts";

/** The help for all of Points. */
export function help(): string {
  return `Points: a ledger of users' points, over gRPC, on PostgreSQL.

Usage: points [COMMAND] [ARGUMENTS]     (as "npx points …" in this folder)

The ledger:
  serve                   serve; so does no command at all
  migrate                 bring the database's schema up to date
  verify [USER…]          check accounts against all that the ledger promises
  root                    print one hash of all accounts, to keep elsewhere for "verify --root"
  sweep                   book what has expired, now
  project                 bring the index and the sums up to date, or build them anew
  export [FILE]           write all entries, as lines of JSON
  erase USER              erase what is personal of an account, for ever
  clock advance LENGTH    let time pass, for tests: at once, for a server with TEST_CLOCK=1

Accounts, at a running server:
  account USER            show an account, its lots and its holds
  recharge USER POINTS    add points
  consume USER POINTS     spend points, or what a service costs
  statement USER          show the last entries of an account
  entry USER NUMBER       show one entry, and what became of it
  policy put|delete|list  set, end or show what an account does by itself: allowances, limits,
                          alerts, credit lines
  forecast USER           show what will expire, and what allowances will bring
  import FILE             bring in accounts of an older table, operations, or what export wrote
  entries [USER-PREFIX]   show the entries of all accounts, with --follow as they come
  search KEY=VALUE        find the entries that have this in their metadata, of whatever accounts
  report --month MONTH    show what users had, got and spent in a month; the columns add up
  expiring [USER-PREFIX]  show whose points expire soon
  accounts [USER-PREFIX]  show accounts with their figures
  overview                show what all accounts have together, by the last scan
  feed --cursor FILE      deliver all entries, as they come, to a webhook, a command or as lines
  whoami                  show which ledger it is, and what you may do

"points COMMAND --help" says more about one. It exits with 0 if all went well, with 1 if not, and
with 2 if the command line was wrong.

The ledger's commands take everything else from environment variables:

${describeConfig()}
`;
}

/** The help for one command; undefined if there is no such command. */
export function helpFor(command: string): string | undefined {
  return COMMANDS.get(command)?.();
}

const BESIDE = `It may run beside servers. The database is that of DATABASE_URL, or else the one in
DATA_DIR.
`;

const REQUEST_OPTIONS = `\
  --request-id ID         the name of this request: the same again changes nothing
  --actor NAME            on whose behalf this is done, a person or a job
  --validate-only         say what it would come to now, and change nothing
`;

const COMMANDS: ReadonlyMap<string, () => string> = new Map([
  ...ALL_ACCOUNTS_HELP,
  [
    "serve",
    () => `Usage: points serve

Serves until it is told to stop, by Ctrl-C or SIGTERM. Everything is set by environment variables:

${describeConfig()}
`,
  ],
  [
    "migrate",
    () => `Usage: points migrate

Brings the schema of the database up to date, and exits. The database is that of DATABASE_URL, or
else the one in DATA_DIR. Where SERVER_ROLE names a role, it is given what servers need, and all
else is taken from it: it can then read entries and add to them, but not change or delete them.
`,
  ],
  [
    "verify",
    () => `Usage: points verify [USER…]
       points verify --root LINE [--accounts FILE]

Reads the journal of each account, or of these users' accounts, from the first entry on, and checks
that the account, its lots, its holds and its refunds are what the journal says, and that nothing is
missing or was changed; and that the tables are what migrations make. Of each account that is wrong it
names the first entry that is, and exits with 1. It writes nothing and locks nothing.

  --root LINE             check as well that all that this root covers is still there, unchanged: the
                          line that "points root" printed, or the name of a file that has it
  --accounts FILE         name the accounts that differ: the file that "points root" wrote with it

${BESIDE}`,
  ],
  [
    "root",
    () => `Usage: points root [--accounts FILE]

Prints one hash over all accounts' last entries, as a line with the numbers of accounts and entries and
the cursor of the stream as of which it is. Keep it where nobody who can write to the database can: then
"points verify --root" finds accounts that were deleted and journals that were written anew. It writes
nothing to the database and locks nothing.

  --accounts FILE         write what the hash is of, a line for each account without its name, so that
                          verify can name those that differ

${BESIDE}`,
  ],
  [
    "sweep",
    () => `Usage: points sweep

Books what has expired, on all accounts, as servers do every SWEEP_SECONDS. That is book-keeping
alone: what has expired cannot be spent whether it is booked or not.

${BESIDE}`,
  ],
  [
    "project",
    () => `Usage: points project [--rebuild]

Brings up to date what SearchEntries and Summarize read, an index and sums that are built from the
journal, as servers with PROJECT=on do every two seconds; and says how far they are. Charges go on: half
of the time is theirs. It waits for transactions that are under way. Stopped at any moment, it goes on
when it is run again, and so do the servers.

  --rebuild               empty the index and the sums first, and build them from the first entry on,
                          with the keys of metadata that SEARCH_KEYS names; unset: those of before

${BESIDE}`,
  ],
  [
    "export",
    () => `Usage: points export [FILE]

Writes all entries of all accounts to FILE, or to standard output, as one line of protobuf's JSON
each, in order of user and sequence: those of one instant. "points import" takes them. It writes
nothing to the database and locks nothing.

${BESIDE}`,
  ],
  [
    "erase",
    () => `Usage: points erase USER --yes

Erases what is personal of an account, for ever: ids of requests, metadata, actors, the account's
salt, and its name; it prints the new one, which is random, as are those of its members. Points, times,
services, callers and the names of policies stay, with all hashes. The last entry says ERASE, so that
readers of the stream can follow. Backups, exports and logs still have what was erased, and a request of
before that is sent again is a new one. It takes the rights of the tables' owner.

  --yes                   do it; otherwise it only says how much there is
  --prefix TEXT           what the old name begins with, and the new one is to: so callers that may
                          touch only such users still reach the account

${BESIDE}`,
  ],
  [
    "clock",
    () => `Usage: points clock
       points clock advance LENGTH

Shows the time of a ledger whose server has TEST_CLOCK=1; "advance" sets it forward first: 90s, 15m,
12h, 30d. It never goes back. What has become due by then is counted by the next call; the journal
gets it with that account's next change, or with the next sweep. Such a ledger is for tests: from then
on no server without TEST_CLOCK=1 serves it.

${BESIDE}
Example: points clock advance 31d
`,
  ],
  [
    "import",
    () => `Usage: points import FILE

Brings a file in, through a running server; "-" is standard input. The first line says of what all
are, and whether they are CSV, of commas, semicolons or tabs, or lines of JSON:
  accounts                CSV with a head, or JSON: user_id, balance, total_recharged,
                          total_consumed, total_expired, and if you like expire_time, of the
                          balance, such as 2030-01-31T12:00:00Z or psql's 2030-01-31 12:00:00+00
  operations              JSON, as ApplyBatch takes them:
                          {"recharge": {"userId": "ada", "points": "100"}}
  entries                 JSON, as "points export" writes them: each account becomes what they lead
                          to. Its history is not brought along
Lines that are bad are named, with the reason, and change nothing; all others are imported, and it
then exits with 1. Every operation has a request id that is the same each time, so the same again
changes nothing: that is how to go on after a stop, and with the bad lines mended. While it runs,
nobody else should touch those accounts.

${SERVER_OPTION}
Example: points import user_point.csv
`,
  ],
  [
    "whoami",
    () => `Usage: points whoami

Shows which ledger the server has, of which epoch and software, and the caller's name, scopes, users
and limit.

${CLIENT_OPTIONS}`,
  ],
  [
    "account",
    () => `Usage: points account USER

Shows an account as it is now, its lots in the order in which they burn, and its open holds. It
makes no account.

  --as-of TIME            the account alone, as it was then, such as 2030-01-31T12:00:00Z, or when a
                          day began in UTC, such as 2030-01-31
${CLIENT_OPTIONS}`,
  ],
  [
    "recharge",
    () => `Usage: points recharge USER POINTS

Adds points to an account, and makes it if there is none.

  --ttl LENGTH            they expire after so long: 90s, 15m, 12h, 30d; otherwise never
  --priority N            0 to 1000, lower burns first; otherwise 0
  --category WORD         what kind of points they are, such as paid or gift
  --service NAME          only usage of this service may take them; may be given several times
${REQUEST_OPTIONS}${CLIENT_OPTIONS}
Example: points recharge ada 100 --ttl 30d --request-id order-1
`,
  ],
  [
    "consume",
    () => `Usage: points consume USER POINTS
       points consume USER --service NAME [--quantity N | --duration LENGTH]
                           [--meter NAME=N]… [--attribute NAME=VALUE]…

Spends points, or what the price list says that a use of a service costs. All of it or nothing, unless
--on-shortfall says more.

  --service NAME          the service, as the price list names it
  --quantity N            how many, for a service that costs by the piece
  --duration LENGTH       how long, for one that costs by time: 500ms, 37s, 2m
  --meter NAME=N          what else was measured, such as input_tokens=120
  --attribute NAME=VALUE  what the price depends on, such as resolution=1080p
  --on-shortfall WHAT     what becomes of points that the balance lacks: refuse (the default), take
                          (what there is is spent), owe (they become debt, up to the credit line)
  --member NAME           who of a shared account spends
${REQUEST_OPTIONS}${CLIENT_OPTIONS}
Example: points consume ada --service tts --duration 37s
`,
  ],
  [
    "entry",
    () => `Usage: points entry USER NUMBER
       points entry USER --request-id ID

Shows an entry of an account, how much of it was refunded since, and the entries that are about it.

  --request-id ID         the entry that this request made, or was answered with
${CLIENT_OPTIONS}`,
  ],
  [
    "statement",
    () => `Usage: points statement USER

Shows the last entries of an account, the newest at the end.

  --limit N               how many; otherwise 20
  --service NAME          only those for this service
  --member NAME           only those by this member of a shared account
  --actor NAME            only those on behalf of this person or job
${CLIENT_OPTIONS}`,
  ],
  [
    "policy",
    () => `Usage: points policy put USER NAME RULE
       points policy delete USER NAME
       points policy list USER

Sets a policy of an account, which it makes if there is none; ends one; or shows all and where they
stand. A policy of that name changes; its kind of rule cannot. The rule is one of these:

  --allowance POINTS      gives so many points at the first instant of each period
    --every PERIOD        day, week, month, year, or several: "2 weeks"
    --start TIME          when the first period begins; otherwise now. A day alone begins in UTC
    --end TIME            no period begins from then on
    --rollover N          points live N periods; otherwise one, so that each refills the account
    --ttl LENGTH          or so long: 90s, 15m, 12h, 30d
    --never               or for ever
    --priority N          as of points that are recharged
    --category WORD       likewise
    --service NAME        likewise; may be given several times
  --limit POINTS          lets no more be spent in a window of time; 0: nothing
    --window SPAN         day, week, month, year, or total
    --member NAME         counts only what this member spends
    --each-member         or lets each member spend so much
    --service NAME        counts only usage of this service
  --alert-below POINTS    names itself on the entry that falls below; of debt: --alert-below=-50
  --credit-line POINTS    lets --on-shortfall owe make debt of so many points

  --time-zone NAME        by whose calendar periods or windows begin; otherwise UTC
${REQUEST_OPTIONS}${CLIENT_OPTIONS}
Example: points policy put ada monthly --allowance 100 --every month --time-zone Europe/Berlin
`,
  ],
  [
    "forecast",
    () => `Usage: points forecast USER

Shows what will become of an account by itself: what expires, what allowances bring, and what holds
give back at their end.

  --until WHEN            up to an instant such as 2030-01-31T12:00:00Z, or up to a day in UTC, or
                          for so long by the clock of this machine: 12h, 30d; otherwise 30d
${CLIENT_OPTIONS}`,
  ],
]);
