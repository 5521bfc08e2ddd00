// How a process reaches the broker and shows who it is. Its one idea: passwords, credentials and
// certificates are files that are read at every dial, so that rotating them restarts nothing.

import { readFileSync } from "node:fs";
import {
  type Auth,
  type Authenticator,
  credsAuthenticator,
  type NodeConnectionOptions,
  type TlsOptions,
} from "@nats-io/transport-node";
import type { Log } from "../process/log.ts";

export type BrokerAccess = {
  /** `nats://[user[:password]@]host:port`, several separated by commas; `tls://` for TLS. */
  readonly url: string;
  /** Holds the password of the URL's user. */
  readonly passwordFile?: string | undefined;
  /** A `.creds` file (JWT and nkey seed), where the broker works with operators. */
  readonly credentialsFile?: string | undefined;
  readonly tls?: BrokerTls | undefined;
};

export type BrokerTls = {
  /** Who signed the broker's certificate; the system's authorities when left out. */
  readonly caFile?: string | undefined;
  /** Certificate and key of this process, where the broker asks for one. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
};

export function brokerAccess(access: BrokerAccess, log: Log): NodeConnectionOptions {
  const { servers, user, password, encrypted } = addressOf(access.url);
  const tls = encrypted || access.tls ? { tls: tlsOptions(access.tls) } : {};
  const dial = { servers, ...tls };
  const { credentialsFile, passwordFile } = access;
  if (credentialsFile !== undefined) {
    return { ...dial, authenticator: credentials(credentialsFile, log) };
  }
  if (passwordFile !== undefined) {
    const read = lastRead(passwordFile, log);
    return { ...dial, authenticator: () => ({ user, pass: read().trim() }) };
  }
  if (user && password) return { ...dial, user, pass: password };
  return user ? { ...dial, token: user } : dial;
}

/** The client takes user and password beside the address, not in it. */
function addressOf(url: string) {
  const urls = url.split(",").map((part) => new URL(part.trim()));
  const [first] = urls;
  return {
    servers: urls.map(({ hostname, port }) => `${hostname}:${port || 4222}`),
    user: decodeURIComponent(first?.username ?? ""),
    password: decodeURIComponent(first?.password ?? ""),
    encrypted: urls.some(({ protocol }) => protocol === "tls:"),
  };
}

/** The client itself reads the files at every dial. */
function tlsOptions({ caFile, certFile, keyFile }: BrokerTls = {}): TlsOptions {
  return {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  };
}

/** An authenticator that throws would close the client for good: this one never does. */
function credentials(file: string, log: Log): Authenticator {
  const read = lastRead(file, log);
  const authenticate = credsAuthenticator(() => new TextEncoder().encode(read()));
  const said = sayOnce();
  return (nonce): Auth => {
    try {
      const shown = authenticate(nonce) as Auth;
      said.over();
      return shown;
    } catch (error) {
      said.now(() => log.warn("the broker's credentials are not valid", { file, error }));
      return { auth_token: "" };
    }
  };
}

/** The text of a file as it is now, or as it was when it could last be read. */
function lastRead(file: string, log: Log): () => string {
  let text = "";
  const said = sayOnce();
  return () => {
    try {
      text = readFileSync(file, "utf8");
      said.over();
    } catch (error) {
      const what = "the broker's secret cannot be read, the last one is shown";
      said.now(() => log.warn(what, { file, error }));
    }
    return text;
  };
}

/** A dial is tried several times a second: what is wrong is said when it begins. */
function sayOnce() {
  let isSaid = false;
  return {
    now(say: () => void) {
      if (!isSaid) say();
      isSaid = true;
    },
    over() {
      isSaid = false;
    },
  };
}
