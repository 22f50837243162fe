import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Forecast, GetForecastResponseSchema } from "../../gen/points/v1/points_pb.ts";
import { duration, readArguments, required } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { instant } from "./instant.ts";
import { table } from "./table.ts";
import { timeText } from "./time-text.ts";

/** `points forecast USER`: prints what will become of an account by itself. */
export async function runForecast(args: readonly string[]): Promise<void> {
  const options = { ...CLIENT_OPTIONS, until: { type: "string", default: "30d" } } as const;
  const { values, positionals } = readArguments(args, options, ["USER"]);
  const userId = required(positionals[0], "USER");
  const until = untilOf(values.until);
  await withClient(values.server, async (client) => {
    const answer = await client.getForecast({ userId, until });
    if (values.json === true) return printJson(asJson(GetForecastResponseSchema, answer));
    if (answer.forecasts.length === 0 && !answer.more) {
      return console.log(`nothing happens to ${userId} by itself until ${timeText(until)} (UTC)`);
    }
    console.log(`${forecastTable(answer.forecasts)}${answer.more ? "\n…" : ""}`);
  });
}

/** An instant, or the one after a length of time. */
function untilOf(text: string) {
  if (!/^\d+[a-z]+$/.test(text)) return instant(text, "--until");
  const { seconds, nanos } = duration(text, "--until");
  return timestampFromMs(Date.now() + Number(seconds) * 1000 + nanos / 1e6);
}

function forecastTable(forecasts: readonly Forecast[]): string {
  return table(
    [
      { title: "time (UTC)" },
      { title: "expired", toRight: true },
      { title: "granted", toRight: true },
      { title: "released", toRight: true },
      { title: "balance", toRight: true },
      { title: "debt", toRight: true },
      { title: "allowances" },
    ],
    forecasts.map(({ time, expired, granted, released, balance, debt, allowances }) => [
      timeText(time),
      ...[expired, granted, released, balance, debt].map(String),
      allowances.join(", "),
    ]),
  );
}
