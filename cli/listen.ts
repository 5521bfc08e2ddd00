// `bursar listen`: the events on the broker as they pass, each as its name, its
// key and what it says. It reads beside everybody and takes nothing away.

import { type DescMessage, fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import { DeliverPolicy, type JsMsg, jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { allEvents } from "#dev/events.ts";
import { type Command, Misuse, printable, readArgs, say, sayJson, Unreachable } from "./command.ts";
import { readSurroundings } from "./surroundings.ts";

const streamsDefault = ["WEBHOOKS", "PAYMENTS", "LEDGER", "CMS"];

export const listen: Command = {
  summary: "show the events on the broker as they pass",
  usage: `[STREAM…] [options]

  STREAM         ${streamsDefault.join(", ")} (default: all of these)
  --event NAME   only these, for example PaymentSucceeded; may be repeated
  --all          from the oldest that is kept (default: from now on)
  --count N      stop after so many
  --nats URL     the broker, with a user that may read (default: NATS_URL)
  --json         one {"stream", "sequence", "subject", "headers", "message"} a line`,

  async run(args, signal) {
    const { values, positionals } = readArgs(args, {
      event: { type: "string", multiple: true, default: [] },
      all: { type: "boolean", default: false },
      count: { type: "string" },
      nats: { type: "string" },
      json: { type: "boolean", default: false },
    });
    const streams = positionals.length > 0 ? positionals : streamsDefault;
    const countMax = values.count === undefined ? Infinity : Number(values.count);
    if (!(countMax >= 1)) throw new Misuse(`--count must be a whole number, not ${values.count}`);
    const servers = values.nats ?? readSurroundings(process.env, process.cwd()).need("NATS_URL");
    const schemas = new Map((await allEvents()).map((schema) => [schema.typeName, schema]));
    const connection = await connect(brokerOptions(servers)).catch((error: Error) => {
      throw new Unreachable(`the broker does not answer: ${error.message}`);
    });
    let count = 0;
    const wanted = ({ subject }: JsMsg) =>
      values.event.length === 0 || values.event.some((name) => subject.endsWith(`.${name}`));
    const js = jetstream(connection);
    const policy = values.all ? DeliverPolicy.All : DeliverPolicy.New;
    const stop = () => void connection.close();
    signal.addEventListener("abort", stop);
    try {
      await Promise.all(
        streams.map(async (stream) => {
          const consumer = await js.consumers
            .get(stream, { deliver_policy: policy })
            .catch((error: Error) => {
              throw new Misuse(`stream ${stream} cannot be read: ${error.message}`);
            });
          for await (const message of await consumer.consume()) {
            if (!wanted(message)) continue;
            show(stream, message, schemas, values.json);
            count += 1;
            if (count >= countMax) return stop();
          }
        }),
      );
    } catch (error) {
      if (!signal.aborted && count < countMax) throw error;
    } finally {
      signal.removeEventListener("abort", stop);
      await connection.close();
    }
    return 0;
  },
};

/** The user stands in the address, as in NATS_URL. */
function brokerOptions(address: string) {
  try {
    const { username, password, protocol, host } = new URL(address);
    const credentials = username && { user: decodeURIComponent(username) };
    const pass = password && { pass: decodeURIComponent(password) };
    return { servers: `${protocol}//${host}`, name: "bursar listen", ...credentials, ...pass };
  } catch {
    throw new Misuse("--nats must be an address such as nats://user:password@localhost:4222");
  }
}

function show(
  stream: string,
  message: JsMsg,
  schemas: ReadonlyMap<string, DescMessage>,
  json: boolean,
): void {
  const { subject, headers, seq: sequence } = message;
  const decoded = decode(schemas.get(subject), message.data);
  if (json) {
    const all = Object.fromEntries(
      (headers?.keys() ?? []).map((name) => [name, headers?.get(name)]),
    );
    sayJson({ stream, sequence, subject, headers: all, message: decoded });
    return;
  }
  const key = headers?.get("ce-subject") ?? "";
  say(`${message.time.toISOString()}  ${stream} ${sequence}  ${subject}  ${printable(key)}`);
  say(`  ${JSON.stringify(decoded)}`);
}

/** Bytes as base64 where nobody here knows the event. */
function decode(schema: DescMessage | undefined, data: Uint8Array): JsonValue {
  if (schema === undefined) return Buffer.from(data).toString("base64");
  try {
    return toJson(schema, fromBinary(schema, data));
  } catch {
    return Buffer.from(data).toString("base64");
  }
}
