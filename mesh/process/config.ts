// Reads a service's configuration from its environment, once, at start-up. The
// blocks that every service shares are here; a service adds its own beside them.

import { accessSync, constants } from "node:fs";

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
};

export function readMeshConfig(read: EnvReader): MeshConfig {
  return {
    host: read.text("HOST", "127.0.0.1"),
    port: read.integer("PORT", { min: 0, max: 65_535, fallback: 0 }),
    tls: readTlsConfig(read),
    accessFile: read.file("ACCESS_FILE"),
    jwksFile: read.optionalFile("JWKS_FILE"),
    logLevel: read.oneOf("LOG_LEVEL", logLevels, "info"),
    drainTimeoutMs: read.integer("DRAIN_TIMEOUT_MS", { min: 0, max: 25_000, fallback: 10_000 }),
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
};

export function readDatabaseConfig(read: EnvReader): DatabaseConfig {
  return {
    url: read.url("DATABASE_URL"),
    ownerUrl: read.url("DATABASE_OWNER_URL"),
    connectionsMax: read.integer("DATABASE_CONNECTIONS_MAX", { min: 1, max: 100, fallback: 10 }),
  };
}

export type BrokerConfig = {
  readonly url: string;
  /** Of each stream. */
  readonly streamBytesMax: number;
};

const GiB = 1024 ** 3;

export function readBrokerConfig(read: EnvReader): BrokerConfig {
  return {
    url: read.url("NATS_URL"),
    streamBytesMax: read.integer("STREAM_BYTES_MAX", {
      min: GiB / 16,
      max: Number.MAX_SAFE_INTEGER,
      fallback: GiB,
    }),
  };
}
