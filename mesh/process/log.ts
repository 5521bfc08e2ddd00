// Structured logs: one JSON object a line on standard output. Whatever is logged is first reduced
// to plain data in which secrets and what is about people are masked, so that a careless field
// cannot leak them. A line that is written inside a span says so.

import pino from "pino";
import { currentSpan } from "../telemetry/trace.ts";
import { maskOfName, shownMessage } from "./known-messages.ts";

export type Fields = Record<string, unknown>;

export type Log = {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** Who did what: on `info`, whatever level the log has; only a silent one drops it. */
  audit(message: string, fields?: Fields): void;
  /** A log that adds these fields to each of its lines. */
  child(fields: Fields): Log;
};

export type LogOptions = {
  readonly service: string;
  readonly level: string;
  /** Where lines go instead of standard output. */
  readonly write?: (line: string) => void;
};

export function createLog({ service, level, write }: LogOptions): Log {
  // Written synchronously: the line that explains a crash must not be lost with it.
  const target = write ? { write } : pino.destination({ dest: 1, sync: true });
  const options = {
    level,
    base: { service },
    messageKey: "message",
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    mixin: spanFields,
  };
  return logOf(pino(options, target));
}

/** Fields of the line come after these, and win. */
function spanFields(): Fields {
  const span = currentSpan();
  return span === undefined ? {} : { traceId: span.traceId, spanId: span.spanId };
}

function logOf(logger: pino.Logger): Log {
  let record: pino.Logger | undefined;
  const at = (level: "debug" | "info" | "warn" | "error") => (message: string, fields?: Fields) => {
    if (logger.isLevelEnabled(level)) logger[level](plain(fields), message);
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    audit: (message, fields) => {
      if (logger.level === "silent") return;
      record ??= logger.child({}, { level: "info" });
      record.info({ ...plain(fields), audit: true }, message);
    },
    child: (fields) => logOf(logger.child(plain(fields))),
  };
}

const secretName =
  /(secret|password|passwd|authorization|cookie|token|api_?key|private_?key|signature|credential)/i;
// Up to the last @ before the path, as URLs are read: a password may hold one too.
const passwordInUrl = /(\b[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*):[^/\s]+@/gi;
const depthMax = 5;
const itemsMax = 50;
const textMax = 8_000;

function plain(fields: Fields | undefined): Fields {
  if (fields === undefined) return {};
  const shown = plainObject(fields, 0);
  return typeof shown === "object" ? (shown as Fields) : { content: shown };
}

function plainValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return plainText(value);
    case "bigint":
    case "symbol":
    case "function":
      return String(value).slice(0, 200);
    case "object":
      if (value === null) return null;
      if (depth >= depthMax) return "[deeper]";
      return plainObject(value, depth);
    default:
      return value;
  }
}

function plainObject(value: object, depth: number): unknown {
  const message = shownMessage(value);
  if (message !== undefined) return plainValue(message, depth + 1);
  if (value instanceof Error) return plainError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return `[${value.byteLength} bytes]`;
  if (value instanceof Map || value instanceof Set) return plainValue([...value], depth);
  if (Array.isArray(value)) {
    return value.slice(0, itemsMax).map((item) => plainValue(item, depth + 1));
  }
  const entries = Object.entries(value).map(([name, item]): [string, unknown] => [
    name,
    maskOfName(name) ?? (secretName.test(name) ? "[redacted]" : plainValue(item, depth + 1)),
  ]);
  return Object.fromEntries(entries);
}

/** Only what every error has: a driver's error may carry rows and parameters. */
function plainError(error: Error, depth: number): Fields {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  const text = (said: string) => plainText(withoutValues(said, code));
  return {
    name: error.name,
    message: text(error.message),
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    ...(error.stack ? { stack: text(error.stack) } : {}),
    ...(cause === undefined || cause === error ? {} : { cause: plainValue(cause, depth + 1) }),
  };
}

const dataException = /^22[0-9A-Z]{3}$/;
const valueInJson = /(\bfrom JSON: .{0,40}?\bgot )[^\n]*/g;

/** What two kinds of errors quote from the data: Postgres' on values, and the decoder's of JSON. */
function withoutValues(text: string, code: unknown): string {
  const quoted = typeof code === "string" && dataException.test(code);
  const said = quoted ? text.replace(/"[^"\n]*"/g, '"…"') : text;
  return said.replace(valueInJson, "$1…");
}

function plainText(text: string): string {
  const masked = text.replace(passwordInUrl, "$1:[redacted]@");
  return masked.length > textMax ? `${masked.slice(0, textMax)}…` : masked;
}
