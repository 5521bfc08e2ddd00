// The developer's command: signs and sends webhooks as providers do, shows what
// passes on the broker, replays, and checks endpoints before they are deployed.

import { type Command, type ExitCode, Misuse, say, Unreachable } from "./command.ts";
import { deliveries } from "./deliveries.ts";
import { endpoints } from "./endpoints.ts";
import { listen } from "./listen.ts";
import { replay } from "./replay.ts";
import { send } from "./send.ts";
import { sign } from "./sign.ts";

const commands: Readonly<Record<string, Command>> = {
  send,
  listen,
  deliveries,
  replay,
  sign,
  endpoints,
};

process.exitCode = await run(process.argv.slice(2));

async function run([name = "", ...args]: readonly string[]): Promise<ExitCode> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    const asked = name === "" || name === "help" || name === "--help" || name === "-h";
    if (!asked) console.error(`bursar has no command ${name}\n`);
    (asked ? say : console.error)(overview());
    return asked && name !== "" ? 0 : 2;
  }
  if (args.includes("--help") || args.includes("-h")) {
    say(usageOf(name, command));
    return 0;
  }
  const stopping = new AbortController();
  process.once("SIGINT", () => stopping.abort());
  process.once("SIGTERM", () => stopping.abort());
  // Whoever reads our output may go before we are done, as `head` does.
  process.stdout.on("error", () => process.exit(0));
  try {
    return await command.run(args, stopping.signal);
  } catch (error) {
    if (error instanceof Misuse) {
      console.error(`bursar ${name}: ${error.message}\n\`bursar ${name} --help\` says how`);
      return 2;
    }
    if (error instanceof Unreachable) {
      console.error(`bursar ${name}: ${error.message}`);
      return 3;
    }
    throw error;
  }
}

function overview(): string {
  const list = Object.entries(commands).map(([name, { summary }]) => {
    return `  ${name.padEnd(12)}${summary}`;
  });
  return `usage: bursar <command> [options]

${list.join("\n")}

\`bursar <command> --help\` says more. Addresses and secrets come from the environment, or from
the .bursar/env of a running \`make up\`. Every command takes --json.
exit codes: 0 done, 1 the answer is no, 2 asked wrongly, 3 not reachable`;
}

function usageOf(name: string, { summary, usage }: Command): string {
  return `${summary}\nusage: bursar ${name} ${usage}`;
}
