import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ACCOUNT_COLUMNS } from "../../src/transfer/account.ts";
import { UnreadableFile } from "../../src/transfer/bad-line.ts";
import { readRecords } from "../../src/transfer/records.ts";
import { figuresOf, fileOf, importText, runAt } from "../support/importing.ts";
import { testServer, type TestServer } from "../support/server.ts";

const HEAD = "user_id,balance,total_recharged,total_consumed,total_expired,expire_time";
const ROW = "ada,70,100,25,5,";
const NOTHING = `means nothing here: the columns are ${HEAD.replaceAll(",", ", ")}`;
const FIELDS = {
  user_id: "ada",
  balance: "70",
  total_recharged: "100",
  total_consumed: "25",
  total_expired: "5",
  expire_time: "",
};
const ROUNDED = "was rounded by a spreadsheet: write all of its digits";
const BY_COPY = "write the file by \\copy … csv header";
const WITHIN = "is within its value: quote all of it, and double the quotes in it";

describe("CSV", () => {
  test.each([
    { of: "commas", text: `${HEAD}\n${ROW}\n` },
    { of: "semicolons", text: `${HEAD}\n${ROW}`.replaceAll(",", ";") },
    { of: "tabs", text: `${HEAD}\n${ROW}\n`.replaceAll(",", "\t") },
    { of: "bars", text: `${HEAD}\n${ROW}\n`.replaceAll(",", "|") },
    { of: "CRLF and a byte order mark", text: `\uFEFF${HEAD}\r\n${ROW}\r\n` },
    { of: "a head in capitals, and blanks", text: `\n${HEAD.toUpperCase()}\n ada , 70,100,25,5, ` },
    { of: "values in quotes", text: `${quoted(HEAD)}\r\n${quoted(ROW)}\r\n` },
    { of: "quotes behind blanks", text: `${HEAD}\n"ada", "70" ,"100", 25 , 5 , ""` },
    { of: "sep=", text: `sep=;\r\n${HEAD}\r\n${ROW}\r\n`.replaceAll(",", ";") },
    { of: "sep= in quotes", text: `\uFEFF"sep=\t"\r\n${HEAD}\r\n${ROW}`.replaceAll(",", "\t") },
    { of: "a character of its own", text: `sep=#\n${HEAD}\n${ROW}`.replaceAll(",", "#") },
  ])("is read with $of", async ({ text }) => {
    expect(await read(text)).toEqual([{ fields: FIELDS }]);
  });

  test("is read with its columns in any order, and without the optional one", async () => {
    const text = "balance,user_id,total_consumed,total_expired,total_recharged\n70,ada,25,5,100";
    const { expire_time: _, ...fields } = FIELDS;
    expect(await read(text)).toEqual([{ fields }]);
  });

  test("loses only one line by a quote that is not closed", async () => {
    const rows = [ROW, '"bob,1,1,0,0,', 'c"leo,1,1,0,0,', '"dan"x,1,1,0,0,', '"e""ve",1,1,0,0,'];
    const [first, second, third, fourth, fifth] = await read([HEAD, ...rows].join("\n"));
    expect(first).toEqual({ fields: FIELDS });
    const of = "the quote of user_id";
    expect(second).toEqual({ bad: `3: ${of} opens on this line and is not closed on it` });
    expect([third, fourth]).toEqual([{ bad: `4: ${of} ${WITHIN}` }, { bad: `5: ${of} ${WITHIN}` }]);
    expect(fifth).toMatchObject({ fields: { user_id: 'e"ve' } });
  });

  test.each([
    ["ada,70,100,25", "has 4 values, the head 6 columns"],
    ["ada", "has 1 value, the head 6 columns"],
    ["ada,1,000,1,000,0,0,", "has 8 values, the head 6 columns"],
    ["7.38529527931269E+17,1,1,0,0,", `user_id 7.38529527931269E+17 ${ROUNDED}`],
    ["7,38529527931269E+17,1,1,0,0,", "has 7 values, the head 6 columns"],
    ["ada,1E+05,1E+05,0,0,", `balance 1E+05 ${ROUNDED}`],
    ["42.0,1,1,0,0,", "user_id 42.0 is a number with a fraction: write it in digits alone"],
    ['"=""00042""",1,1,0,0,', 'user_id ="00042" is a formula of a spreadsheet: write its value'],
    ["ada,1,1,0,0,\\N", `expire_time is \\N, psql's null in text: ${BY_COPY}`],
  ])("names the mistake of the row %s", async (row, why) => {
    const [record] = await read(`${HEAD}\n${row}`);
    expect(record).toEqual({ bad: `2: ${why}` });
  });

  test("names lines that are not UTF-8 or too long", async () => {
    const latin1 = Buffer.from(`${HEAD}\nad\xe9${ROW}`, "latin1");
    expect(await read(latin1)).toEqual([{ bad: "2: is no UTF-8" }]);
    const long = `${HEAD}\n${"a".repeat(1_048_577)}${ROW}\n${ROW}`;
    const bad = "2: is longer than 1048576 bytes";
    expect(await read(long)).toEqual([{ bad }, { fields: FIELDS }]);
  });

  test.each([
    [HEAD.replace("expire_time", "expire_tme"), `has a column "expire_tme", which ${NOTHING}`],
    [`id,${HEAD}`, `has a column "id", which ${NOTHING}`],
    [`${HEAD},Balance`, "has the column balance twice"],
    [`${HEAD},`, "has a column without a name, number 7"],
    ["user_id,balance", "has no column total_recharged, total_consumed, total_expired"],
    [ROW, `is neither lines of JSON nor CSV with a head: its first line, "${ROW}", names none of `],
  ])("is refused with the head %s", async (head, why) => {
    await expect(read(`${head}\n${ROW}`)).rejects.toThrow(why);
    await expect(read(`${head}\n${ROW}`)).rejects.toThrow(UnreadableFile);
  });
});

describe("a file that is neither CSV nor lines of JSON", () => {
  test.each([
    ["UTF-16 with a mark", Buffer.from(`\uFEFF${HEAD}\r\n`, "utf16le"), /^is UTF-16, as Excel's/],
    ["UTF-16 without one", Buffer.from(`${HEAD}\r\n`, "utf16le"), /^is UTF-16/],
    ["a spreadsheet", Buffer.from("PK\x03\x04\x14\x00\x06\x00"), /^seems to be a spreadsheet/],
    ["an old spreadsheet", Buffer.from("d0cf11e0a1b11ae1", "hex"), /^seems to be an old spread/],
    ["gzip", gzipSync(`${HEAD}\n${ROW}`), /^is packed by gzip/],
    ["a dump of pg_dump", Buffer.from("PGDMP\x01\x0e\x00"), /^is a dump of pg_dump/],
    ["a dump as SQL", "--\n-- PostgreSQL database dump\n--\n", /^seems to be SQL: write the table/],
    ["SQL", "INSERT INTO user_point VALUES (1, 2);", /^seems to be SQL/],
    ["HTML", "<!doctype html>", /^seems to be XML or HTML/],
    ["an array of JSON", '[{"user_id":"ada"}]', /^is an array of JSON: write one object a line/],
    ["JSON over several lines", '{\n  "user_id": "ada"\n}\n', /^is JSON over several lines/],
    ["a file of old Macs", `${HEAD}\r${ROW}\r`, /^ends its lines as old Macs do/],
    ["psql's text", "ada\t70\t100\t25\t5\t\\N\n", /^is neither lines of JSON nor CSV with a head/],
    ["Latin-1", Buffer.from("nom;pr\xe9nom\n", "latin1"), /^is no UTF-8/],
    ["noise", Buffer.from("ab\x00c\x00\x00"), /^is no text/],
  ])("is recognized: %s", async (_, text, why) => {
    await expect(read(text)).rejects.toThrow(UnreadableFile);
    await expect(read(text)).rejects.toThrow(why);
  });

  test("has no records if it is empty", async () => {
    expect(await read("")).toEqual([]);
    expect(await read("\n\r\n")).toEqual([]);
    expect(await read(HEAD)).toEqual([]);
  });
});

describe("lines of JSON", () => {
  test("are read one by one, with their numbers", async () => {
    const text = '\uFEFF{"a":1}\r\n\n{"a":"x\u2028y"}\n{"a":1\n5\n[1]\n{"a":9007199254740993}';
    expect(await read(text)).toEqual([
      { fields: { a: 1 } },
      { fields: { a: "x\u2028y" } },
      { bad: expect.stringMatching(/^4: is no JSON: /) },
      { bad: "5: is no JSON object" },
      { bad: "6: is no JSON object" },
      { fields: { a: 9_007_199_254_740_993n } },
    ]);
  });

  test.each([
    ['{"a":1.5}', "1: a 1.5 is not written in digits alone"],
    ['{"a":{"b":[1,1e3]}}', "1: 1 1e3 is not written in digits alone"],
    ['{"a":-0}', "1: a -0 is not written in digits alone"],
    ['{"a":"x","b":1,"\\u0061":"x"}', "1: a is there twice"],
    ['{"b":[{"a":1},{"a":1,"a":1}]}', "1: a is there twice"],
  ])("are bad if reading them would lose something: %s", async (text, bad) => {
    expect(await read(text)).toEqual([{ bad }]);
  });

  test("may repeat a key in other objects, and have colons and quotes in texts", async () => {
    const text = '{"a":{"a":"b\\": \\\\"},"b":["a",{"a":"\\"a\\":1"}],"c":"a"}';
    expect(await read(text)).toEqual([{ fields: JSON.parse(text) }]);
  });
});

describe("the command", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await testServer();
  });
  afterAll(() => server.stop());

  test("takes CSV of any file name, and from standard input", async () => {
    const file = await fileOf("X.CSV", `${HEAD}\n${ROW}`.replaceAll(",", ";"));
    expect(await runAt(server, "import", file)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^1 line, [\d,]+\/s: 1 imported, 0 bad\n$/),
    });
    const child = spawn(process.execPath, ["src/main.ts", "import", "-"], {
      env: { ...process.env, POINTS_URL: server.baseUrl },
    });
    let stdout = "";
    child.stdout.on("data", (chunk) => (stdout += chunk));
    createReadStream(file).pipe(child.stdin);
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/: 1 imported, 1 of them before, 0 bad\n$/),
    });
    expect(await figuresOf(server)).toEqual({ ada: "70 100 25 5" });
  });

  test("says in a sentence why it cannot read a file", async () => {
    const file = await fileOf("table.csv", HEAD.replace("balance", "balence"));
    expect(await runAt(server, "import", file)).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^points: \S+table\.csv has a column "balence", which .*\n$/),
    });
  });

  test("counts each line once, but no empty ones", async () => {
    const rows = Array.from({ length: 2_000 }, (_, index) => {
      return [`u${index % 1_500},1,1,0,0,`, `v${index},0,0,0,0,`, "x", `w${index},1,2,0,0,`, ""];
    });
    const { why, ...counts } = await importText(server.client, [HEAD, ...rows.flat()]);
    expect(counts).toEqual({ lines: 8_000, before: 0, empty: 2_000, bad: 500 + 2_000 + 2_000 });
    expect(why).toHaveLength(counts.bad);
  });
});

function quoted(row: string): string {
  return `"${row.replaceAll(",", '","')}"`;
}

/** The records that are read, without the parts that no test compares. */
async function read(text: string | Buffer): Promise<unknown[]> {
  const bytes = Buffer.from(text as string);
  const records = [];
  // Small chunks, so that lines cross their borders.
  const chunks = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, index) => {
    return bytes.subarray(index * 7, index * 7 + 7);
  });
  const file = Readable.from(bytes.length > 100_000 ? [bytes] : chunks);
  for await (const record of readRecords(file, ACCOUNT_COLUMNS)) {
    if ("bad" in record) records.push({ bad: `${record.line}: ${record.bad}` });
    else records.push({ fields: record.fields });
  }
  return records;
}
