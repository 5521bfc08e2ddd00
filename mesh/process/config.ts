// Reads a service's configuration from its environment, once, at start-up. The
// blocks that every service shares are here; a service adds its own beside them.

import { accessSync, constants } from "node:fs";
import { type BrowserConfig, readBrowserConfig } from "../rpc/browser/config.ts";
import { type SamplerName, samplerNames } from "../telemetry/sampler.ts";

/** Every problem found, so that one failed start shows all that must be fixed. */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`invalid configuration: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

export type Env = Readonly<Record<string, string | undefined>>;

export function readEnv<T>(env: Env, shape: (read: EnvReader) => T): T {
  const reader = new EnvReader(env);
  const config = shape(reader);
  if (reader.problems.length > 0) throw new ConfigError(reader.problems);
  return config;
}

/** Notes what is wrong and reads on; `readEnv` throws once everything was looked at. */
export class EnvReader {
  readonly problems: string[] = [];
  readonly #env: Env;

  constructor(env: Env) {
    this.#env = env;
  }

  text(name: string, fallback?: string): string {
    const value = this.#env[name] || fallback;
    if (value === undefined) this.problems.push(`${name} is not set`);
    return value ?? "";
  }

  /** Undefined when unset or empty. */
  optional(name: string): string | undefined {
    return this.#env[name] || undefined;
  }

  integer(name: string, bounds: { min: number; max: number; fallback?: number }): number {
    const { min, max, fallback } = bounds;
    const text = this.#env[name];
    if (!text) {
      if (fallback === undefined) this.problems.push(`${name} is not set`);
      return fallback ?? min;
    }
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      this.problems.push(`${name} must be a whole number from ${min} to ${max}, got ${text}`);
      return min;
    }
    return value;
  }

  /** A part of a whole, from 0 to 1. */
  share(name: string, fallback: number): number {
    const text = this.#env[name];
    if (!text) return fallback;
    const value = /^\d?(\.\d{1,15})?$/.test(text) ? Number(text) : Number.NaN;
    if (value >= 0 && value <= 1) return value;
    this.problems.push(`${name} must be a number from 0 to 1, got ${text}`);
    return fallback;
  }

  flag(name: string, fallback: boolean): boolean {
    const text = this.#env[name];
    if (!text) return fallback;
    if (text !== "true" && text !== "false") {
      this.problems.push(`${name} must be true or false, got ${text}`);
    }
    return text === "true";
  }

  oneOf<const V extends string>(name: string, values: readonly V[], fallback?: V): V {
    const text = this.#env[name] || fallback;
    const value = values.find((candidate) => candidate === text);
    if (value === undefined) {
      const got = text === undefined ? "it is not set" : `got ${text}`;
      this.problems.push(`${name} must be one of ${values.join(", ")}, ${got}`);
    }
    return value ?? (values[0] as V);
  }

  /** Path of a file that must exist and be readable. */
  file(name: string): string {
    const path = this.text(name);
    if (path) this.#mustBeReadable(name, path);
    return path;
  }

  optionalFile(name: string): string | undefined {
    const path = this.optional(name);
    if (path) this.#mustBeReadable(name, path);
    return path;
  }

  /** The value is not repeated in the problem: URLs of databases carry passwords. */
  url(name: string): string {
    const value = this.text(name);
    if (value && !URL.canParse(value)) this.problems.push(`${name} is not a URL`);
    return value;
  }

  /** One or several, separated by commas. */
  urls(name: string): string {
    const value = this.text(name);
    const parts = value.split(",").map((part) => part.trim());
    if (value && !parts.every((part) => URL.canParse(part))) {
      this.problems.push(`${name} is not a URL, nor several with commas between them`);
    }
    return value;
  }

  optionalUrl(name: string): string | undefined {
    return this.optional(name) === undefined ? undefined : this.url(name);
  }

  #mustBeReadable(name: string, path: string): void {
    try {
      accessSync(path, constants.R_OK);
    } catch {
      this.problems.push(`${name} names a file that cannot be read: ${path}`);
    }
  }
}

/** PEM files: the authority that is trusted, and the certificate and key of this process. */
export type TlsFiles = {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
};

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** What becomes of a response that breaks the rules of its schema. */
export const responseValidations = ["refuse", "count", "off"] as const;
export type ResponseValidation = (typeof responseValidations)[number];

export type MeshConfig = {
  readonly host: string;
  /** Zero: any free port. */
  readonly port: number;
  readonly tls: TlsFiles;
  /** `bursar.mesh.v1.AccessConfig` as JSON or YAML. */
  readonly accessFile: string;
  /** Public keys of end users' tokens; undefined: no token is admitted. */
  readonly jwksFile: string | undefined;
  readonly logLevel: LogLevel;
  readonly drainTimeoutMs: number;
  /** How long a stopping server still takes calls while it says that it is not ready. */
  readonly lameDuckMs?: number;
  /** Most calls at once; fewer while they take too long. */
  readonly concurrencyMax?: number;
  readonly validateResponses: ResponseValidation;
  /** Undefined: nobody listens for browsers. */
  readonly browser?: BrowserConfig | undefined;
};

export function readMeshConfig(read: EnvReader): MeshConfig {
  const jwksFile = read.optionalFile("JWKS_FILE");
  return {
    host: read.text("HOST", "127.0.0.1"),
    port: read.integer("PORT", { min: 0, max: 65_535, fallback: 0 }),
    tls: readTlsConfig(read),
    accessFile: read.file("ACCESS_FILE"),
    jwksFile,
    logLevel: read.oneOf("LOG_LEVEL", logLevels, "info"),
    drainTimeoutMs: read.integer("DRAIN_TIMEOUT_MS", { min: 0, max: 25_000, fallback: 10_000 }),
    lameDuckMs: read.integer("LAME_DUCK_MS", { min: 0, max: 25_000, fallback: 100 }),
    concurrencyMax: read.integer("RPC_CONCURRENCY_MAX", { min: 1, max: 100_000, fallback: 512 }),
    validateResponses: read.oneOf("VALIDATE_RESPONSES", responseValidations, "count"),
    browser: readBrowserConfig(read, jwksFile),
  };
}

export function readTlsConfig(read: EnvReader): TlsFiles {
  return {
    caFile: read.file("TLS_CA_FILE"),
    certFile: read.file("TLS_CERT_FILE"),
    keyFile: read.file("TLS_KEY_FILE"),
  };
}

export type DatabaseConfig = {
  /** Of the runtime role. */
  readonly url: string;
  /** Of the owner role, for migrations. */
  readonly ownerUrl: string;
  readonly connectionsMax: number;
  readonly idleInTransactionMs?: number | undefined;
};

export function readDatabaseConfig(read: EnvReader): DatabaseConfig {
  return {
    url: read.url("DATABASE_URL"),
    ownerUrl: read.url("DATABASE_OWNER_URL"),
    connectionsMax: read.integer("DATABASE_CONNECTIONS_MAX", { min: 1, max: 100, fallback: 10 }),
    idleInTransactionMs: read.integer("DATABASE_IDLE_IN_TRANSACTION_MS", {
      min: 1_000,
      max: 600_000,
      fallback: 60_000,
    }),
  };
}

export type BrokerConfig = {
  readonly url: string;
  /** Holds the password of the URL's user; read at every dial. */
  readonly passwordFile: string | undefined;
  /** A NATS credentials file, in place of user and password. */
  readonly credentialsFile: string | undefined;
  readonly tls: Readonly<Record<keyof TlsFiles, string | undefined>> | undefined;
  /** Of each stream. */
  readonly streamBytesMax: number;
};

const GiB = 1024 ** 3;

export function readBrokerConfig(read: EnvReader): BrokerConfig {
  const url = read.urls("NATS_URL");
  const [first = ""] = url.split(",");
  const passwordFile = read.optionalFile("NATS_PASSWORD_FILE");
  const credentialsFile = read.optionalFile("NATS_CREDENTIALS_FILE");
  const { username, password } = new URL(URL.canParse(first) ? first : "nats://nowhere");
  if (passwordFile && (!username || password)) {
    read.problems.push("NATS_PASSWORD_FILE needs a user without a password in NATS_URL");
  }
  if (credentialsFile && (passwordFile || username)) {
    read.problems.push("NATS_CREDENTIALS_FILE stands alone: take the user out of NATS_URL");
  }
  return {
    url,
    passwordFile,
    credentialsFile,
    tls: readBrokerTls(read),
    streamBytesMax: read.integer("STREAM_BYTES_MAX", {
      min: GiB / 16,
      max: Number.MAX_SAFE_INTEGER,
      fallback: GiB,
    }),
  };
}

/** Undefined where the URL alone says whether there is TLS. */
function readBrokerTls(read: EnvReader): BrokerConfig["tls"] {
  const tls = {
    caFile: read.optionalFile("NATS_CA_FILE"),
    certFile: read.optionalFile("NATS_CERT_FILE"),
    keyFile: read.optionalFile("NATS_KEY_FILE"),
  };
  if ((tls.certFile === undefined) !== (tls.keyFile === undefined)) {
    read.problems.push("NATS_CERT_FILE and NATS_KEY_FILE come together");
  }
  return Object.values(tls).some((file) => file !== undefined) ? tls : undefined;
}

/** By OpenTelemetry's own variables, so that an operator's collector is set up as everywhere. */
export type TelemetryConfig = {
  /** Where spans go by OTLP over HTTP, path included; undefined: nowhere. */
  readonly tracesUrl: string | undefined;
  readonly sampler: SamplerName;
  /** Share of the traces that the samplers by ratio record. */
  readonly sampledRatio: number;
};

export function readTelemetryConfig(read: EnvReader): TelemetryConfig {
  const base = read.optionalUrl("OTEL_EXPORTER_OTLP_ENDPOINT")?.replace(/\/+$/, "");
  const traces = read.optionalUrl("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  return {
    tracesUrl: traces ?? (base === undefined ? undefined : `${base}/v1/traces`),
    sampler: read.oneOf("OTEL_TRACES_SAMPLER", samplerNames, "parentbased_always_on"),
    sampledRatio: read.share("OTEL_TRACES_SAMPLER_ARG", 1),
  };
}
