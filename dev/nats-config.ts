// The broker's users for whoever runs it: writes deploy/nats.conf from the schema, or prints the
// permissions alone, for a broker that keeps its users elsewhere.
//   node dev/nats-config.ts [--json]

import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { allEvents } from "./events.ts";
import type { NatsUser } from "./nats-server.ts";
import { natsUsers, operatorUser } from "./nats-users.ts";
import { constantCase } from "./ports.ts";
import { ownServices } from "./services.ts";

export const natsConfigFile = join(resolve(import.meta.dirname, ".."), "deploy", "nats.conf");

/** Without passwords: they are the operator's. */
export async function schemaUsers(): Promise<readonly NatsUser[]> {
  const events = await allEvents();
  const users = natsUsers({ events, services: ownServices, passwordOf: () => "" });
  return users.map(({ password: _none, ...user }) => user);
}

export function natsDeployment(users: readonly NatsUser[]): string {
  return `# A broker for Bursar. \`make gen\` writes this file from the schema: change the schema, not the file.
#
# Every service has a user of its own, which may publish the events that name it as a producer and
# read the streams of those that name it as a consumer; docs/identity.md says what that covers.
# The user ${operatorUser} may do everything: with it an operator declares the streams, before the
# services start and after every release that changes one:
#   NATS_URL=nats://${operatorUser}:…@localhost:4222 node dev/declare-streams.ts
#
# Passwords and the folder of the data come from the environment. One that reads as a number needs
# quotes that reach the server: export CMS_SERVICE_NATS_PASSWORD='"123"'

server_name: bursar
listen: "0.0.0.0:4222"
max_payload: 4194304

jetstream {
  store_dir: $NATS_STORE_DIR
  max_file_store: 64GB
  max_memory_store: 0
  # An acknowledgement means: on the disk. Never take this away where money passes.
  sync_interval: always
}

# The listener's certificate. With ca_file and verify_and_map a service shows its own certificate
# in place of a password: its user is then named as the certificate names it, for example
# user: "spiffe://bursar/cms-service".
# tls {
#   cert_file: "/etc/bursar/tls/tls.crt"
#   key_file: "/etc/bursar/tls/tls.key"
#   ca_file: "/etc/bursar/tls/ca.crt"
#   verify_and_map: true
# }

accounts {
  BURSAR {
    jetstream: enabled
    users: [
${users.map(userLines).join("")}    ]
  }
}
`;
}

function userLines({ user, permissions }: NatsUser): string {
  const password = `$${constantCase(user)}_NATS_PASSWORD`;
  if (permissions === undefined) return `      { user: "${user}", password: ${password} }\n`;
  const list = (subjects: readonly string[]) =>
    subjects.map((subject) => `            "${subject}"\n`).join("");
  const { allow, deny } = permissions.publish;
  const publish = deny === undefined ? `{ allow: [\n${list(allow)}          ] }` : `{ deny: ">" }`;
  return `      {
        user: "${user}", password: ${password}
        permissions: {
          publish: ${publish}
          subscribe: { allow: [
${list(permissions.subscribe.allow)}          ] }
        }
      }
`;
}

if (import.meta.main) {
  const users = await schemaUsers();
  if (process.argv.includes("--json")) console.log(JSON.stringify(users, null, 2));
  else writeFileSync(natsConfigFile, natsDeployment(users));
}
